//! Finds out why a worker ended or was not started: from its exit status, its limits and its standard error.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cordial::LostCause;
use rustix::io::Errno;

use super::config::Config;
use super::oom_kills::OomKills;
use super::output::AllocationFailure;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// Replaces the signal in `cause`, which comes from the exit status, by the reason for that signal, if it is known. `broken` is the reason why
/// the socket could not be used. `oom_kills` is `None` if the pool has killed the worker.
pub(super) fn cause_of(
    cause: LostCause,
    broken: Option<Arc<str>>,
    config: &Config,
    allocation_failure: AllocationFailure,
    oom_kills: Option<&mut OomKills>,
) -> LostCause {
    let LostCause::Signal { number, .. } = cause else { return cause };
    match (number, config.memory, config.cpu_time) {
        // A worker that gets no memory writes a backtrace before it aborts, and may reach the limit of processor time meanwhile.
        (SIGXCPU, Some(limit), _) if allocation_failure == AllocationFailure::Aborts => {
            LostCause::MemoryLimit { limit }
        }
        (SIGXCPU, _, Some(limit)) => LostCause::CpuLimit { limit },
        (SIGABRT, Some(limit), _) if allocation_failure != AllocationFailure::None => LostCause::MemoryLimit { limit },
        (SIGKILL, _, _) if oom_kills.is_some_and(OomKills::has_grown) => LostCause::OutOfMemory,
        (SIGKILL, _, _) => match broken {
            // The pool kills a worker whose socket cannot be used.
            Some(reason) => LostCause::ConnectionLost { reason },
            None => cause,
        },
        _ => cause,
    }
}

/// Returns why the system has refused to start a worker, and what to do about it.
pub(super) fn refusal(error: &io::Error) -> String {
    let advice = match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => {
            "; raise the limit of processes (`ulimit -u`, or that of the control group), or start fewer workers"
        }
        Some(Errno::MFILE) => "; raise the limit of open files (`ulimit -n`), or start fewer workers",
        Some(Errno::NFILE) => "; raise the limit of open files of the system (`fs.file-max`), or start fewer workers",
        Some(Errno::NOMEM) => "; free some memory, or start fewer workers",
        Some(Errno::NOENT) if cfg!(target_os = "linux") && !Path::new("/proc/self").exists() => {
            "; `/proc` is not mounted, so the path of this program is not known: mount it, or name the program with `Pool::builder().program(path)`"
        }
        _ => "",
    };
    format!("{error}{advice}")
}

/// Adds the last lines of standard error to a reason, as one line of text.
pub(super) fn with_last_lines(reason: String, stderr: &[String]) -> String {
    // The message of a panic begins with an empty line.
    let lines: Vec<&str> = stderr.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { reason } else { format!("{reason}; standard error ended with: {}", lines.join(" | ")) }
}
