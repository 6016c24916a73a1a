//! Options for how commands are started.

use std::ffi::OsString;

pub(super) const RUNNING: &str = "Running";

/// Options for how commands are started.
#[derive(Debug, clap::Args)]
pub(crate) struct LaunchOptions {
    /// Run COMMAND as a line of the shell PATH, such as bash
    #[arg(long, value_name = "PATH", help_heading = RUNNING, hide = true)]
    pub(crate) shell_path: Option<OsString>,

    /// Let one command at a time use the terminal (vi, less, ssh)
    #[arg(long, short = 'o', alias = "open-tty", help_heading = RUNNING, conflicts_with_all = ["tag", "line_buffer", "json", "results"])]
    pub(crate) tty: bool,
}
