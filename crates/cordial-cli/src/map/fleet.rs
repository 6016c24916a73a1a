//! The options for a fleet, checked against the other options.

use std::env;
use std::path::Path;

use super::remote::{refuse_placeholder, templates, variable};
use crate::args::{Concurrency, MapOptions};
use crate::fleet::check_url;
use crate::launch::{FleetDirectory, FleetFilesConfig, SlotLimit};
use crate::remote::remote_directory;
use crate::system;
use crate::template::{CommandTemplate, Syntax};
use crate::text::io_error;

/// How many items are sent at once without `-c`, or with `-c 100%`. The workers run as many at once as they have slots.
const SENT_AHEAD: usize = 64;

/// Refuses options that cannot be used with a fleet, and options of a fleet without `--nats`.
///
/// # Errors
///
/// A message that says what to do.
pub(super) fn check(options: &MapOptions, calls_function: bool) -> Result<(), String> {
    let given = &options.fleet;
    let Some(url) = &given.nats else {
        let server = &given.server;
        if server.creds.is_some() || server.tls_ca.is_some() || server.tls_cert.is_some() || server.insecure {
            return Err("--creds, --tls-ca, --tls-cert and --insecure are for a fleet: add --nats URL".to_owned());
        }
        return Ok(());
    };
    check_url(url)?;
    let refused = [
        ("-S", options.remote.is_used(), "both run commands on other machines: leave out one of them"),
        ("--ungroup", options.ungroup, "outputs come from other machines: leave it out"),
        ("--tty", options.launch.tty, "other machines have no terminal: leave it out"),
        ("--pipe", options.pipe.is_on(), "blocks stay on this machine: write them to files on a shared file system"),
        ("--load", options.load.is_some(), "it is about this machine only: give the workers their number of --slots"),
        (
            "--memfree",
            options.memfree.is_some(),
            "it is about this machine only: give the workers their number of --slots",
        ),
        ("--nice", options.nice.is_some(), "it is about this machine only: start the workers with nice"),
    ];
    if let Some((option, _, why)) = refused.iter().find(|(_, is_given, _)| *is_given) {
        return Err(format!("{option} cannot be used with --nats: {why}"));
    }
    if calls_function {
        return Err(
            "the command is a function of bash, which other machines do not know: write it into a script on a shared file system"
                .to_owned(),
        );
    }
    Ok(())
}

/// Returns where commands run, and which files travel. With `--workdir ...`, each item has a directory of its own. Otherwise, if no files
/// travel, the directory has to exist on the machines of the workers, and has by default the path of the current directory of this machine.
/// If files travel, it is created if necessary, and is by default the login directory, as with `-S`.
///
/// # Errors
///
/// A message that says what to do.
pub(super) fn files(options: &MapOptions, syntax: &Syntax) -> Result<FleetFilesConfig, String> {
    let given = &options.remote;
    let mut sent = templates(&given.transferfile, syntax)?;
    if given.transfer || !given.trc.is_empty() {
        sent.push(CommandTemplate::name(syntax.item_text(), syntax)?);
    }
    let mut returned = templates(&given.returned, syntax)?;
    returned.extend(templates(&given.trc, syntax)?);
    let is_cleaned = given.cleanup || !given.trc.is_empty();
    let workdir = options.workdir.as_deref();
    if let Some(workdir) = workdir {
        refuse_placeholder(workdir, syntax)?;
    }
    let directory = match workdir {
        Some(path) if path.as_os_str() == "..." => FleetDirectory::Own,
        _ if sent.is_empty() && returned.is_empty() && !is_cleaned => {
            FleetDirectory::Shared(shared_directory(workdir)?)
        }
        None => FleetDirectory::Made(Vec::new()),
        Some(path) => FleetDirectory::Made(remote_directory(path.to_owned())?),
    };
    let variables = given.env.iter().map(|name| {
        let (name, value) = variable(name)?;
        Ok((String::from_utf8_lossy(&name).into_owned(), value))
    });
    Ok(FleetFilesConfig { directory, sent, returned, is_cleaned, variables: variables.collect::<Result<_, String>>()? })
}

fn shared_directory(workdir: Option<&Path>) -> Result<Vec<u8>, String> {
    let current = env::current_dir()
        .map_err(|error| format!("cannot find the working directory: {}", io_error::describe(&error)))?;
    system::argument_bytes(current.join(workdir.unwrap_or(Path::new(""))).into())
}

/// Returns how many items are sent at once. `given` is the number that `concurrency` means on this machine.
pub(super) fn limit(concurrency: &Concurrency, given: usize) -> SlotLimit {
    let initial = if *concurrency == Concurrency::Percent(100) { SENT_AHEAD } else { given };
    // The items that are sent need no processes here.
    SlotLimit::new(initial, concurrency.max(initial))
}
