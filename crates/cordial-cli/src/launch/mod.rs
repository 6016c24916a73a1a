//! The threads that start commands and wait for them.

mod child;
mod launcher;
mod output_reader;
mod throttle;
mod workers;

pub(crate) use launcher::{Ended, Launcher, Outputs, Settings};
pub(crate) use throttle::Gate;
