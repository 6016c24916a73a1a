//! The machine has no memory left: here, a control group that the test makes, where it may.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use cordial::{Exit, LostCause};
use cordial_isolate::Pool;
use rustix::process::{Signal, kill_process};

use crate::bad_input::alone_after;
use crate::functions::{ALLOCATE, SPIN, SQUARE, functions, worker_of_call};
use crate::roles::skip;
use crate::waits::{LONG, run};

const LIMIT: usize = 256 << 20;

/// Where the system counts the kills of all processes, or those of a group and the groups in it together, the kills of this test could explain a kill by
/// SIGKILL in another test.
static KILLS: RwLock<()> = RwLock::new(());

/// Waits until the test below does not run, and keeps it from running. For tests whose workers are killed by SIGKILL.
pub(crate) fn without_oom_kills() -> RwLockReadGuard<'static, ()> {
    KILLS.read().unwrap_or_else(PoisonError::into_inner)
}

/// A control group with a limit for memory. Removed when it is dropped.
struct Group(PathBuf);

impl Group {
    /// `None` where the system lets this test make none.
    fn new() -> Option<Group> {
        let name = format!("cordial-isolate-{}", std::process::id());
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let unified = PathBuf::from(format!("/sys/fs/cgroup{own}")).join(&name);
        let single = PathBuf::from("/sys/fs/cgroup/memory").join(&name);
        let limits = [
            (unified, &["memory.swap.max", "memory.max"][..], &["0", ""][..]),
            (single, &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"], &["", ""]),
        ];
        limits.into_iter().find_map(|(folder, files, values)| {
            // Where there are no control groups, the folder is made as well, and has no such file.
            fs::create_dir(&folder).ok()?;
            let group = Group(folder);
            let is_set = |(file, value): (&&str, &&str)| {
                let value = if value.is_empty() { LIMIT.to_string() } else { (*value).to_owned() };
                let file = group.0.join(file);
                file.exists() && fs::write(file, value).is_ok()
            };
            // Not every system can limit swapped memory.
            let n_set = files.iter().zip(values).filter(|pair| is_set(*pair)).count();
            (n_set > 0).then_some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_worker_that_the_system_kills_for_lack_of_memory_says_so() {
    cordial_isolate::test_main(functions());
    let Some(group) = Group::new() else {
        return skip("this test may make no control group with a limit for memory");
    };
    let _guard = KILLS.write().unwrap_or_else(PoisonError::into_inner);
    let join = format!("echo $$ > {}/cgroup.procs", group.0.display());
    if let Some(output) = alone_after(&join) {
        return assert!(output.status.success(), "{output:?}");
    }
    // The inner process runs in the control group that the outer process has made, and does not need this one.
    drop(group);
    run(async {
        let pool = Pool::builder().workers(2).start().unwrap();
        for _ in 0..2 {
            match pool.call(ALLOCATE, 2 * LIMIT).timeout(LONG).await {
                Err(Exit::Lost(lost)) => assert_eq!(*lost.cause(), LostCause::OutOfMemory, "{lost:#}"),
                other => panic!("expected a loss, not {other:?}"),
            }
            assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        }
        // Another program of the group, which keeps in memory what it reads. Its end has nothing to do with calls that begin later.
        let program = format!("head -c {} /dev/zero | tail", 2 * LIMIT);
        let other = Command::new("sh").args(["-c", &program]).stdout(Stdio::null()).status().unwrap();
        assert!(!other.success(), "the system has killed `tail`: {other}");
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let killed = pool.call(SPIN, ());
        kill_process(worker_of_call(&pool).await, Signal::KILL).unwrap();
        match killed.timeout(LONG).await {
            Err(Exit::Lost(lost)) => {
                assert_eq!(*lost.cause(), LostCause::signal(9), "a signal of another process is no lack of memory")
            }
            other => panic!("expected a loss, not {other:?}"),
        }
    })
    .unwrap();
}
