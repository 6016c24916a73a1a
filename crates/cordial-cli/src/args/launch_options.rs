//! Options for how commands are started.

use std::ffi::OsString;

pub(super) const RUNNING: &str = "Running";

/// Options for how commands are started.
#[derive(Debug, clap::Args)]
pub(crate) struct LaunchOptions {
    /// Run COMMAND as a line of the shell PATH, such as bash
    #[arg(long, value_name = "PATH", help_heading = RUNNING)]
    pub(crate) shell_path: Option<OsString>,
}
