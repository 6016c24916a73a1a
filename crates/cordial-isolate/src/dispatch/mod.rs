//! Encodes, decodes and runs calls, over any connection: for crates that carry calls, such as `cordial-nats`.
//!
//! ```text
//!  caller                                                      worker
//!  Function::encode_input ─► name, fingerprint, bytes ──►  Functions::find ─► Runner::start: a task
//!                                                                                │ its result
//!  Function::decode_output ◄─ Outcome::into_result ◄─ bytes ◄─ Outcome::encode ◄─┘
//! ```
//!
//! Programs that only make calls or serve functions do not need this module.

mod carried;
mod outcome;
mod runner;
mod unserved;

pub use crate::codec::CodecError;
pub use carried::{Carried, carried_value};
pub(crate) use carried::{EncodedFuture, Key, TraceContext};
pub use outcome::{Outcome, without_values};
pub use runner::Runner;
pub(crate) use runner::Travels;
pub use unserved::Unserved;
