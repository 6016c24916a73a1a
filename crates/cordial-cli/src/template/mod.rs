//! The command to run: a template with placeholders, filled with one item.
//!
//! ```text
//! words of the command line ──► texts and placeholders ──┬──► the words of a process
//!                                                        └──► one line that a shell can read: joblog, --dry-run
//! ```

mod bash_syntax;
mod command_line;
mod command_template;
mod path_part;
mod placeholder;
mod shell;
mod shell_arguments;
mod shell_check;
mod shell_closed;
mod shell_context;
mod shell_expressions;
mod shell_flow;
mod shell_line;
mod shell_scan;
mod shell_words;
mod syntax;
mod word;

pub(crate) use command_line::CommandLine;
pub(crate) use command_template::CommandTemplate;
pub(crate) use shell::Shell;
pub(crate) use syntax::{BesideText, Syntax};
