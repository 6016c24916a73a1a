//! Why a worker is gone or was not started, as far as the system, its limits and its standard error show.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordial::LostCause;
use rustix::io::Errno;

use super::config::Config;
use super::output::AllocationFailure;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// Returns the cause. `cause` is what the exit status says, `broken` why the socket was not usable. `oom_kills` is `None` if the pool has killed
/// the worker.
pub(super) fn cause_of(
    cause: LostCause,
    broken: Option<Arc<str>>,
    config: &Config,
    allocation_failure: AllocationFailure,
    oom_kills: Option<&mut OomKills>,
) -> LostCause {
    let LostCause::Signal { number, .. } = cause else { return cause };
    match (number, config.memory, config.cpu_time) {
        // A worker without memory aborts after it has written a backtrace, which may take longer than the limit of processor time.
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

/// Says why the system does not start a worker, and which limit to raise.
pub(super) fn refusal(error: &io::Error) -> String {
    let way_out = match Errno::from_io_error(error) {
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
    format!("{error}{way_out}")
}

/// Adds the last lines of standard error to a reason, as one line of text.
pub(super) fn with_last_lines(reason: String, stderr: &[String]) -> String {
    // The message of a panic begins with an empty line.
    let lines: Vec<&str> = stderr.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { reason } else { format!("{reason}; standard error ended with: {}", lines.join(" | ")) }
}

/// Counts the processes that the system has killed for lack of memory: those of the control group of the workers, or all processes where
/// the system does not count them by group.
#[derive(Debug)]
pub(super) struct OomKills {
    file: Option<PathBuf>,
    /// How many kills were counted before: those before the start of the pool, and those of its workers.
    known: u64,
}

impl OomKills {
    /// Finds the file that has the number of kills. Where there is no such file, no kill is found.
    pub(super) fn find() -> OomKills {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let file = files(&groups).into_iter().find(|file| read(file).is_some());
        let known = file.as_deref().and_then(read).unwrap_or_default();
        OomKills { file, known }
    }

    /// Returns whether the system has killed a process that was not counted before, and counts one: of two workers that are killed at
    /// once, each is counted.
    fn has_grown(&mut self) -> bool {
        let has_grown = self.file.as_deref().and_then(read).is_some_and(|number| number > self.known);
        self.known += u64::from(has_grown);
        has_grown
    }
}

/// Returns the files that may have the number of kills in the control groups of this process. In a container, its own group may be the root.
fn files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for group in groups.lines() {
        let mut parts = group.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            files.push(Path::new("/sys/fs/cgroup").join(path).join("memory.events"));
            files.push("/sys/fs/cgroup/memory.events".into());
        } else if controllers.split(',').any(|controller| controller == "memory") {
            files.push(Path::new("/sys/fs/cgroup/memory").join(path).join("memory.oom_control"));
            files.push("/sys/fs/cgroup/memory/memory.oom_control".into());
        }
    }
    files.push("/proc/vmstat".into());
    files
}

fn read(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_own_group_comes_first() {
        let names = |groups| files(groups).iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let unified = ["/sys/fs/cgroup/user.slice/memory.events", "/sys/fs/cgroup/memory.events", "/proc/vmstat"];
        assert_eq!(names("0::/user.slice\n"), unified);
        let single =
            ["/sys/fs/cgroup/memory/a/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat"];
        assert_eq!(names("5:cpu:/\n4:hugetlb,memory:/a\n"), single);
        assert_eq!(names("nonsense"), ["/proc/vmstat"]);
    }

    #[test]
    fn two_processes_that_are_killed_at_once_are_two() {
        let file = std::env::temp_dir().join(format!("cordial-isolate-oom-{}", std::process::id()));
        let write =
            |number: u64| fs::write(&file, format!("low 0\noom 9\noom_kill {number}\n")).expect("it is writable");
        write(5);
        let mut kills = OomKills { known: read(&file).expect("it has the number"), file: Some(file.clone()) };
        assert!(!kills.has_grown());
        write(7);
        assert_eq!([kills.has_grown(), kills.has_grown(), kills.has_grown()], [true, true, false]);
        fs::remove_file(&file).expect("it is there");
        assert!(!kills.has_grown());
    }
}
