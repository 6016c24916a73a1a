//! The HTTP server: its thread, its connections, its answers, and the clients that get them.

mod accept;
mod actions;
mod assets;
mod client_io;
mod connection_slots;
mod events;
mod guard;
mod reply;
mod routes;
mod session;
mod signals;
mod socket;
mod thread;
#[cfg(unix)]
mod unix;

pub(crate) use routes::router;
pub(crate) use thread::{Listeners, Started, start};
#[cfg(unix)]
pub(crate) use unix::UnixSocket;
