//! Checks the options for other machines, and that they agree with the rest of the options.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::args::{Concurrency, MapOptions};
use crate::blocking_io::print_message;
use crate::remote::{RemoteCommands, RemoteConfig};
use crate::system;
use crate::template::{CommandTemplate, Syntax};
use crate::text::io_error;

/// Connects to the machines, if any are given. With `needs_hosts` false, as for a dry run that needs no machine, only checks the options.
///
/// # Errors
///
/// A message, when options contradict each other, when a file of hosts cannot be read, when a variable of `--env` cannot be copied, or
/// when no machine can be reached.
pub(super) fn remote(
    options: &MapOptions,
    syntax: &Syntax,
    needs_hosts: bool,
) -> Result<Option<RemoteCommands>, String> {
    let given = &options.remote;
    if !given.is_used() {
        // Without -S, the options for files and variables need no check: the files are on this machine, and commands inherit all variables.
        return Ok(None);
    }
    let refused = [
        ("--tty", options.launch.tty, "a terminal of this machine: leave it out"),
        (
            "--load",
            options.load.is_some(),
            "the load of this machine only: give each host its number of slots, as in -S 4/host",
        ),
        (
            "--memfree",
            options.memfree.is_some(),
            "the memory of this machine only: give each host its number of slots, as in -S 4/host",
        ),
    ];
    if let Some((option, _, what)) = refused.iter().find(|(_, is_given, _)| *is_given) {
        return Err(format!("{option} cannot be used with -S, since it is about {what}"));
    }
    if let Some(name) = options.other.process_slot_var.as_ref().filter(|name| !is_name(name.as_bytes())) {
        return Err(format!(
            "--process-slot-var {name} cannot be used with -S, since the shell of another machine cannot export this name: \
             choose one of letters, digits and _"
        ));
    }
    let mut entries = Vec::new();
    for list in &given.hosts {
        for entry in list.split(',').map(str::trim) {
            match entry {
                // `..` means the same as for GNU parallel.
                ".." => entries.extend(from_file(&default_file())?),
                _ => entries.push(entry.to_owned()),
            }
        }
    }
    for file in &given.sshloginfile {
        entries.extend(from_file(if file == Path::new("..") { default_file() } else { file.clone() }.as_path())?);
    }
    if let Some(workdir) = &options.workdir {
        check_workdir(workdir, &entries, syntax)?;
    }
    let mut sent = templates(&given.transferfile, syntax)?;
    if given.transfer || !given.trc.is_empty() {
        sent.push(CommandTemplate::name(syntax.item_text(), syntax)?);
    }
    let mut returned = templates(&given.returned, syntax)?;
    returned.extend(templates(&given.trc, syntax)?);
    let config = RemoteConfig {
        entries,
        ssh: given.ssh.clone().unwrap_or_else(|| "ssh".to_owned()),
        slots: match options.concurrency {
            Concurrency::Number(number) => Some(number),
            Concurrency::Percent(100) => None,
            _ => {
                return Err("with -S, -c takes a number: how many commands run at once on each host".to_owned());
            }
        },
        grace: options.grace,
        nice: options.nice,
        workdir: options.workdir.clone(),
        sent,
        returned,
        is_cleaned: given.cleanup || !given.trc.is_empty(),
        variables: given.env.iter().map(variable).collect::<Result<_, _>>()?,
    };
    if !needs_hosts {
        return config.check_hosts().map(|()| None);
    }
    // The run has not begun, so nothing else prints at the same time.
    RemoteCommands::new(config, |message| print_message(format_args!("{message}"))).map(Some)
}

/// Refuses a directory if it has a placeholder, or if one of the hosts is `:`, which is this machine.
fn check_workdir(workdir: &Path, entries: &[String], syntax: &Syntax) -> Result<(), String> {
    refuse_placeholder(workdir, syntax)?;
    let shown = workdir.display();
    if entries.iter().any(|entry| entry.rsplit('/').next().is_some_and(|name| name.trim() == ":")) {
        return Err(format!(
            "--workdir {shown} cannot be used with the host : of -S, since it is a directory of other machines: leave out one of them"
        ));
    }
    Ok(())
}

pub(super) fn refuse_placeholder(workdir: &Path, syntax: &Syntax) -> Result<(), String> {
    let template = CommandTemplate::name(&system::argument_bytes(workdir.into())?, syntax)?;
    match template.uses_item() || template.uses_slot() {
        true => {
            Err(format!("--workdir {} takes no placeholder: write cordial map 'cd {{}} && COMMAND'", workdir.display()))
        }
        false => Ok(()),
    }
}

/// Returns the name and the value of a variable that `--env` copies to the other machines.
///
/// # Errors
///
/// A message, when `name` is not the name of a variable, is that of a function of bash, or when the environment has no such variable.
pub(super) fn variable(name: &OsString) -> Result<(Vec<u8>, Vec<u8>), String> {
    let shown = name.to_string_lossy();
    let bytes = system::argument_bytes(name.clone())?;
    if system::exported_functions().contains(&bytes) {
        return Err(format!(
            "--env {shown} is a function of bash, which is not copied: write it into a script, and send that with --transferfile"
        ));
    }
    // For GNU parallel, `_` is the whole environment.
    if !is_name(&bytes) || bytes == b"_" {
        return Err(format!("--env {shown} is not the name of one variable: repeat --env for each name"));
    }
    let value = std::env::var_os(name)
        .ok_or_else(|| format!("--env {shown}: there is no such variable in the environment: export it"))?;
    Ok((bytes, system::argument_bytes(value)?))
}

/// Returns whether a shell can export a variable with this name.
fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| !byte.is_ascii_digit())
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns the path of the file from which GNU parallel reads the hosts of `..`.
fn default_file() -> PathBuf {
    system::login_directory().unwrap_or_default().join(".parallel/sshloginfile")
}

/// Returns the hosts in a file: one a line, without comments.
fn from_file(path: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(|error| {
        let reason = io_error::describe_or(&error, "name a file that exists and that you may read");
        format!("cannot read the hosts in {}: {reason}", path.display())
    })?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

pub(super) fn templates(names: &[OsString], syntax: &Syntax) -> Result<Vec<CommandTemplate>, String> {
    names.iter().map(|name| CommandTemplate::name(&system::argument_bytes(name.clone())?, syntax)).collect()
}
