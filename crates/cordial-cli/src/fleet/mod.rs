//! Commands on a fleet of machines: `cordial worker`, which runs them, and what `cordial map --nats` needs to send them.
//!
//! ```text
//!  map: a slot ─ submit: words, variables, directory ─► stream ─► worker ─► process group
//!        ▲                                                          │ large outputs, in pieces
//!        └───────────── status, outputs or their pieces ◄───────────┘
//! ```
//!
//! A command is a job of `cordial-nats`, so it is run again elsewhere if its machine is lost. Files travel through the object
//! store of the fleet, packed and unpacked by `tar` on both sides. `map` and `launch` decide which items run, and handle the slots,
//! retries and records of a run; this folder does not.

mod archiver;
mod command;
mod connect;
mod files;
mod places;
mod run_command;
mod silence;
mod worker;
mod worker_watch;

pub(crate) use archiver::Archiver;
pub(crate) use command::{COMMAND, CommandEnd, CommandFiles, CommandReply, CommandRequest, Output, SentFile};
pub(crate) use connect::{Fleet, SentCommands, check_url, connect, with_option_names};
pub(crate) use silence::until_answered;
pub(crate) use worker::run;
pub(crate) use worker_watch::watch_workers;
