//! The options of `cordial map` for a fleet, and the options of `cordial worker`.

use std::path::PathBuf;
use std::time::Duration;

use super::values;

const FLEET: &str = "Fleet";

/// How to reach the NATS server of a fleet.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerOptions {
    /// Log in with the credentials in FILE
    #[arg(long, value_name = "FILE", help_heading = FLEET, hide = true)]
    pub(crate) creds: Option<PathBuf>,

    /// Trust the certificates in FILE
    #[arg(long, value_name = "FILE", help_heading = FLEET, hide = true)]
    pub(crate) tls_ca: Option<PathBuf>,

    /// Show the certificate in FILE to the server
    #[arg(long, value_name = "FILE", help_heading = FLEET, hide = true, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of --tls-cert
    #[arg(long, value_name = "FILE", help_heading = FLEET, hide = true, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Allow a connection without TLS to another machine
    #[arg(long, help_heading = FLEET, hide = true)]
    pub(crate) insecure: bool,
}

/// Options of `cordial map` for a fleet.
#[derive(Debug, clap::Args)]
pub(crate) struct FleetOptions {
    /// Run on the workers of a fleet, over this NATS server
    #[arg(long, value_name = "URL", help_heading = FLEET, hide = true)]
    pub(crate) nats: Option<String>,

    /// Run on this group of workers; with --nats, --group is the same [default: default]
    // `attached` replaces `--group NAME` by this option. Without --nats, `--group` is a flag, as in GNU parallel.
    #[arg(long, value_name = "NAME", help_heading = FLEET, hide = true, requires = "nats")]
    pub(crate) fleet_group: Option<String>,

    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// Run commands that `cordial map --nats` sends from other machines.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerOptions {
    /// The NATS server of the fleet, such as nats://127.0.0.1:4222
    #[arg(long, value_name = "URL")]
    pub(crate) nats: String,

    /// Run the commands of this group
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) group: String,

    /// Run N commands at once [default: cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) slots: Option<u16>,

    /// The name of this machine in the joblog [default: its host name and a number]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// When stopping, let running commands finish for TIME, then kill them
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "5s")]
    pub(crate) grace: Duration,

    /// Run every command that arrives: each user who may publish to the group can then do everything that your account can do
    #[arg(long)]
    pub(crate) allow_commands: bool,

    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
