//! The command line: options, their values and the help text. Whether options make sense together is decided in `map::config`.

mod generate;
mod help;
mod options;
mod unsupported;
mod values;

pub(crate) use generate::{completions, manual};
pub(crate) use options::{Args, Command, MapOptions, parse};
