//! The command line: options, their values and the help text. `map` makes the checks that clap cannot make.

mod attached;
mod concurrency;
mod fleet_options;
mod generate;
mod help;
mod item_options;
mod launch_options;
mod options;
mod other_options;
mod pipe_options;
mod remote_options;
mod top_options;
mod values;

pub(crate) use concurrency::Concurrency;
pub(crate) use fleet_options::{ServerOptions, WorkerOptions};
pub(crate) use generate::{print_completions, print_manual};
pub(crate) use item_options::ItemOptions;
pub(crate) use options::{Args, Command, MapOptions, parse};
pub(crate) use top_options::TopOptions;
pub(crate) use values::{BlockOption, RecordSeparator};
