//! What a stop reports: the processes that did not end when they were asked to.

mod builder;
mod slot;
mod stop_report;

pub use stop_report::{StopReport, Stopped};

pub(crate) use builder::ReportBuilder;
pub(crate) use slot::ReportSlot;
