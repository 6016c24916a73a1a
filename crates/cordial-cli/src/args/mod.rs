//! The command line: options, their values and the help text. Whether options are consistent is checked in `map::config`.

mod generate;
mod help;
mod options;
mod unsupported;
mod values;

pub(crate) use generate::{print_completions, print_manual};
pub(crate) use options::{Args, Command, MapOptions, parse};
pub(crate) use unsupported::COMPARISON_PAGE;
