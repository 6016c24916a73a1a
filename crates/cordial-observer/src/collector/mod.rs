//! What the observer remembers: the past in two resolutions, the crash log, the audit log, the warnings, the processes that are watched, and the last
//! reading of all processes.
//!
//! Everything is bounded. One [`Collector`] is behind one lock, which is held while a reading or an answer is made and never across an await.

mod audit_log;
mod crash_log;
mod history;
mod meter;
mod server_totals;
mod state;
mod stream_rates;
mod warnings;
mod watched;

pub(crate) use audit_log::{NewEntry, Refused};
pub(crate) use crash_log::Logged;
pub(crate) use state::Collector;
pub(crate) use watched::Life;
