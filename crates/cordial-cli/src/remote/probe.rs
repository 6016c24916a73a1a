//! Asks machines whether they can be reached, and how many cores they have.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::host::Host;
use super::script::in_sh;
use crate::text::io_error;

/// A line for the shell that prints the number of cores.
const LINE: &str = "nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1";

/// Asks all machines at once. Returns for each machine its number of cores, or why it cannot be reached. The messages of `ssh` are written
/// to files in `directory`. Blocks the thread until all commands have ended. `ssh` gives up if a machine does not answer, but waits without a
/// bound for a login shell that does not end. Another command that connects has to give up by itself.
pub(super) fn probe_all(hosts: &[&Host], directory: &Path) -> Vec<Result<usize, String>> {
    let started: Vec<_> = hosts
        .iter()
        .enumerate()
        .map(|(n, host)| {
            let log = directory.join(format!("probe{n}"));
            let (program, child) = start(host, &log);
            (program, child, log)
        })
        .collect();
    started.into_iter().map(|(program, child, log)| finish(&program, child, &log)).collect()
}

/// Starts the command that asks a machine. Returns the name of its program as well.
fn start(host: &Host, log: &Path) -> (String, io::Result<Child>) {
    let words: Vec<OsString> = match host.connect(log, &in_sh(LINE.as_bytes())) {
        Some(Ok(words)) => words,
        _ => ["sh", "-c", LINE].map(OsString::from).to_vec(),
    };
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (words[0].to_string_lossy().into_owned(), command.spawn())
}

fn finish(program: &str, child: io::Result<Child>, log: &Path) -> Result<usize, String> {
    let output = child
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("cannot start {program}: {}", io_error::describe(&error)))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    // The number comes last, because a login script may print something before it.
    match printed.split_whitespace().last().map(str::parse::<usize>) {
        Some(Ok(cores)) if output.status.success() => Ok(cores.max(1)),
        _ => Err(reason(log).unwrap_or_else(|| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let line = stderr.lines().rfind(|line| !line.trim().is_empty());
            line.map_or_else(|| format!("{program}: {}", output.status), |line| line.trim().to_owned())
        })),
    }
}

/// Returns what `ssh` has written to its log about a connection that has failed, or `None` if it has written nothing.
pub(super) fn reason(log: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(log).ok()?.take(64 * 1024).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Warning: "));
    // The first line says what has failed, and later ones what follows from that.
    lines.into_iter().next().map(str::to_owned)
}
