//! Options for commands on other machines.

use std::ffi::OsString;
use std::path::PathBuf;

use super::launch_options::RUNNING;

const REMOTE: &str = "Other machines";

/// Options for commands on other machines.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoteOptions {
    /// Run on these hosts over ssh: [N/]HOST,...
    #[arg(short = 'S', long = "sshlogin", value_name = "HOSTS", help_heading = RUNNING)]
    pub(crate) hosts: Vec<String>,

    /// Read HOSTs from FILE, one a line
    #[arg(long, alias = "slf", value_name = "FILE", help_heading = REMOTE, hide = true)]
    pub(crate) sshloginfile: Vec<PathBuf>,

    /// Connect with CMD [default: ssh]
    #[arg(long, value_name = "CMD", help_heading = REMOTE, hide = true)]
    pub(crate) ssh: Option<String>,

    /// Send FILE, which may contain placeholders, before the command
    #[arg(long, aliases = ["tf", "transfer-file", "transferfiles", "transfer-files"], value_name = "FILE", help_heading = REMOTE, hide = true)]
    pub(crate) transferfile: Vec<OsString>,

    /// The same as --transferfile {}
    #[arg(long, help_heading = REMOTE, hide = true)]
    pub(crate) transfer: bool,

    /// Fetch FILE after the command
    #[arg(long = "return", value_name = "FILE", help_heading = REMOTE, hide = true)]
    pub(crate) returned: Vec<OsString>,

    /// Remove the fetched files, and the sent ones that were not there before, from the host
    #[arg(long, help_heading = REMOTE, hide = true)]
    pub(crate) cleanup: bool,

    /// The same as --transfer --return FILE --cleanup
    #[arg(long, value_name = "FILE", help_heading = REMOTE, hide = true)]
    pub(crate) trc: Vec<OsString>,

    /// Copy the variable NAME of the environment to the host
    #[arg(long, value_name = "NAME", help_heading = REMOTE, hide = true)]
    pub(crate) env: Vec<OsString>,

    #[arg(long = "filter-hosts", aliases = ["filterhosts", "filter-host"], hide = true)]
    _filter_hosts: bool,
}

impl RemoteOptions {
    /// Returns whether commands run on other machines.
    pub(crate) fn is_used(&self) -> bool {
        !self.hosts.is_empty() || !self.sshloginfile.is_empty()
    }
}
