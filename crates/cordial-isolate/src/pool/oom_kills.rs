//! How many processes the system has killed for lack of memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clock::now;

/// How old a number of kills may be when a call begins.
const FRESH: Duration = Duration::from_secs(1);

/// Counts the processes that the system has killed for lack of memory: those of the control group of the workers, or all processes where
/// the system does not count them by group.
#[derive(Debug)]
pub(super) struct OomKills {
    file: Option<PathBuf>,
    /// Kills up to this number are explained. A kill beyond it may be that of a worker whose end is found now.
    known: u64,
    /// The number that was read last, and when.
    last: u64,
    read_at: Instant,
}

impl OomKills {
    /// Finds the file that has the number of kills. Where there is no such file, no kill is found.
    pub(super) fn find() -> OomKills {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        OomKills::of(files(&groups).into_iter().find(|file| read(file).is_some()))
    }

    fn of(file: Option<PathBuf>) -> OomKills {
        let number = file.as_deref().and_then(read).unwrap_or_default();
        OomKills { file, known: number, last: number, read_at: now() }
    }

    /// Called when a call begins: kills that were counted before have nothing to do with its end.
    pub(super) fn call_begins(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.read_at);
        if age < FRESH {
            return;
        }
        let Some(number) = self.file.as_deref().and_then(read) else { return };
        // The system counts a kill before the killed process has ended. So `number` may count a worker whose end the pool has not found yet. If
        // the last read was not long ago, only the kills that it has counted are explained.
        self.known = if age < 2 * FRESH { self.known.max(self.last) } else { number };
        (self.last, self.read_at) = (number, now);
    }

    /// Returns whether the system has killed a process that was not counted before, and counts one: of two workers that are killed at
    /// once, each is counted.
    pub(super) fn has_grown(&mut self) -> bool {
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
        let mut kills = OomKills::of(Some(file.clone()));
        assert!(!kills.has_grown());
        write(7);
        assert_eq!([kills.has_grown(), kills.has_grown(), kills.has_grown()], [true, true, false]);
        // A call that begins one second later reads a number that may count a worker whose end is not found yet. After three seconds, the number
        // counts other processes.
        for (seconds, found) in [(1, true), (3, false)] {
            write(7);
            let mut kills = OomKills::of(Some(file.clone()));
            write(8);
            kills.call_begins(kills.read_at + seconds * FRESH);
            assert_eq!(kills.has_grown(), found, "{seconds} s");
        }
        fs::remove_file(&file).expect("it is there");
        assert!(!kills.has_grown());
    }
}
