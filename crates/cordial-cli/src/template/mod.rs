//! The command to run: a template with placeholders, filled with one item.
//!
//! ```text
//! words of the command line ──► texts and placeholders ──┬──► the words of a process
//!                                                        └──► one line that a shell can read: joblog, --dry-run
//! ```

mod command_line;
mod command_template;
mod placeholder;
mod shell;
mod shell_line;

pub(crate) use command_line::CommandLine;
pub(crate) use command_template::CommandTemplate;
pub(crate) use shell::Shell;
