//! The command to run, with placeholders for the item.

mod command_template;
mod placeholder;
mod shell;

pub(crate) use command_template::{CommandLine, Template};
