//! The server: accepts connections, runs each as a child of a task supervisor, and shuts them down.
//!
//! ```text
//!  process that awaits `serve`                 task supervisor
//!    accept ── room? ── make-service ────────► connection ── HTTP/1: requests, one after another
//!      │                                       connection ── HTTP/2: a task supervisor with a child for each stream
//!      │ asked to shut down
//!      ▼
//!    listener closed ── request to each ─────► answers what is in flight ── grace ─► cut off
//!    waits for all ◄──────────────────────────  exits
//! ```
//!
//! - `builder` has the options, and `serving` the future that runs the server.
//! - `accept` is the loop that accepts connections, and `connection` the process of one of them.
//! - `process_list` is a list of those processes, or of the streams of one of them.
//! - `client_limits` and `client_io` limit the time that a client may take.
//! - `polled_when_woken` saves polls of the timer and of the request to shut down.
//! - `stream_executor` starts the streams of HTTP/2.
//! - `events` emits the events. `options` has what the connections of a server share.

mod accept;
mod builder;
mod client_io;
mod client_limits;
mod connection;
mod events;
mod options;
mod polled_when_woken;
mod process_list;
mod serving;
mod stream_executor;

pub use builder::{Direct, Serve, serve};
pub use serving::Serving;
