//! SIGUSR1: prints a snapshot of a running program.

use std::convert::identity;
use std::io::{self, Write};
use std::panic::Location;

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::inspect::Snapshot;
use crate::process::runtime::{RuntimeHandle, with_spawning_runtime};
use crate::process::spawn::Spawn;

/// Starts a process that prints a [`Snapshot`] of its runtime to standard error when the program receives SIGUSR1: which processes
/// there are, which of them are in a long poll, and the latest crashes. Several signals that come at once may cause only one
/// snapshot. Unix only.
///
/// No process owns the new process. If the root of a [`run`](crate::run), or a process that descends from it, makes the call, the new
/// process is stopped after that root has ended. From the first call on, SIGUSR1 does not end the program, even after the new process
/// has ended. While code in `tokio::spawn` blocks all threads of tokio, no snapshot is printed.
///
/// # Errors
///
/// The error of the operating system if it refuses the handler; [`io::ErrorKind::Unsupported`] in a simulation, which has no signals;
/// [`io::ErrorKind::Other`] with an [`Exit::Refused`] if no process can be started.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use cordial::process;
///
/// fn main() -> ExitCode {
///     cordial::main(async {
///         process::snapshot_on_sigusr1()?; // then: kill -USR1 PID
///         // ...
///         Ok::<(), cordial::Exit>(())
///     })
/// }
/// ```
#[track_caller]
pub fn snapshot_on_sigusr1() -> io::Result<Pid> {
    let spawned_at = Location::caller();
    let refused = |refusal| io::Error::other(Exit::Refused(refusal));
    with_spawning_runtime(|runtime| start(runtime, spawned_at)).map_err(refused).and_then(identity)
}

fn start(runtime: &RuntimeHandle, spawned_at: &'static Location<'static>) -> io::Result<Pid> {
    if runtime.executor().is_simulated() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a simulation has no signals"));
    }
    runtime.refuse_forked().map_err(|refusal| io::Error::other(Exit::Refused(refusal)))?;
    let mut signals = {
        let _entered = runtime.executor().tokio().enter();
        signal(SignalKind::user_defined1())?
    };
    let mut spawn = Spawn::new(spawned_at);
    spawn.label = Some("snapshot on SIGUSR1".into());
    let own = runtime.clone();
    let prints = async move {
        while signals.recv().await.is_some() {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{}", Snapshot::take(&own));
        }
    };
    match spawn.start(runtime, prints, Ok) {
        Ok(spawned) => Ok(spawned.pid),
        Err(refusal) => Err(io::Error::other(Exit::Refused(refusal))),
    }
}
