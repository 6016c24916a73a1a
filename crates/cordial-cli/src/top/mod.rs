//! The command `cordial top`. It shows in a terminal what runs in a program that has an observer.
//!
//! ```text
//!  address ──► fetch: tasks of the runtime ── requests ──► the observer of the program
//!               ▲ Wanted, ConfirmedAction   │ ScreenUpdate, ActionOutcome
//!  keys ──► state ──────────────────────────┴──► draw, on the main thread
//! ```
//!
//! The main thread waits for keys and draws, so that an observer that does not answer delays neither.

mod address;
mod client;
mod draw;
mod fetch;
mod question;
mod run;
mod state;
mod words;

pub(crate) use run::run;
