#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod builder;
mod clock;
mod collector;
mod error;
mod log_lines;
mod observer;
mod program_code;
mod secret;
mod server;
mod shared;
mod source;
pub mod view;

pub use access::Access;
pub use builder::{Builder, serve};
pub use error::ServeError;
pub use log_lines::LogLines;
pub use observer::Observer;
pub use view::{ActionKind, AuditEntry};

/// The programs in the guide, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/observer.md")]
struct Pages;
