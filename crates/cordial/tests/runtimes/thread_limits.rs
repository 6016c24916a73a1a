//! A refused thread names the limit that holds. Most of these tests need the superuser; `system_limits.rs` tests the limit of a user.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cordial::process::ThreadLimit;
use cordial::{BuildError, Runtime};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::harness::subprocess;

/// The smallest `kernel.pid_max` that the kernel accepts.
const LOWEST_PID_MAX: u64 = 301;

/// More threads than the runtime gets in a full control group.
const WORKERS: usize = 8;

/// What the control group allows: fewer threads than a runtime needs, and more than this program has.
const MAX_IN_GROUP: u64 = 10;

/// Builds a runtime that is refused a thread. Reports the limit that the error names.
fn report_limit(workers: usize) {
    match Runtime::builder().workers(workers).build() {
        Err(error @ BuildError::ThreadsRefused { .. }) => {
            let text = error.to_string();
            let BuildError::ThreadsRefused { limit, .. } = error else { unreachable!() };
            assert!(limit.as_ref().is_none_or(|limit| text.contains(&limit.to_string())), "{text}");
            subprocess::report(format!("{limit:?}"));
        }
        other => panic!("{other:?}"),
    }
}

/// Returns whether the command succeeds. Otherwise writes to standard error that the test is skipped.
fn is_possible(mut command: Command, what: &str) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_possible = status.is_ok_and(|status| status.success());
    if !is_possible {
        // Directly, because libtest hides what a successful test prints.
        let _ = writeln!(std::io::stderr(), "skipped: this test needs {what}");
    }
    is_possible
}

/// Returns a shell that runs the script, in which `exec "$0" "$@"` starts this program.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command
}

/// A control group for a subprocess. When dropped, it is removed.
struct ControlGroup {
    folder: PathBuf,
    /// The path below the root of the hierarchy.
    path: String,
}

impl ControlGroup {
    /// Makes a group below that of this program, with room for `MAX_IN_GROUP` threads. `None` if that is not possible here.
    fn new(name: &str) -> Option<ControlGroup> {
        let of_program = fs::read_to_string("/proc/self/cgroup").unwrap();
        let found = of_program.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let mount = match controllers {
                "pids" => "/sys/fs/cgroup/pids",
                "" => "/sys/fs/cgroup",
                _ => return None,
            };
            let path = format!("{}/cordial-{name}-{}", path.trim_end_matches('/'), std::process::id());
            let folder = PathBuf::from(format!("{mount}{path}"));
            fs::create_dir(&folder).ok()?;
            let group = ControlGroup { folder, path };
            fs::write(group.folder.join("pids.max"), MAX_IN_GROUP.to_string()).is_ok().then_some(group)
        });
        if found.is_none() {
            let _ = writeln!(std::io::stderr(), "skipped: this test needs to make a control group that counts threads");
        }
        found
    }

    /// Returns a script for `shell` that starts this program within the group, by `command`.
    fn script(&self, command: &str) -> String {
        format!("echo $$ > '{}/cgroup.procs' && exec {command} \"$0\" \"$@\"", self.folder.display())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // The kernel removes an ended program from its group a moment later.
        while Path::exists(&self.folder) && fs::remove_dir(&self.folder).is_err() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_full_control_group_is_named() {
    if subprocess::case().is_some() {
        return report_limit(WORKERS);
    }
    let Some(group) = ControlGroup::new("named") else { return };
    let reports = subprocess::run_by(shell(&group.script("")), test_name!(), "").reports();
    let limit = ThreadLimit::ControlGroup { max: MAX_IN_GROUP, group: group.path.clone() };
    assert_eq!(reports, [format!("{:?}", Some(limit))]);
}

#[test]
fn a_limit_of_the_user_that_cannot_be_the_reason_is_not_named() {
    if subprocess::case().is_some() {
        let maximum = getrlimit(Resource::Nproc).maximum;
        // More threads than there are.
        setrlimit(Resource::Nproc, Rlimit { current: Some(maximum.unwrap_or(1_000_000)), maximum }).unwrap();
        return report_limit(WORKERS);
    }
    // In a cgroup namespace the program does not see the limit of its group.
    let as_user = "unshare --cgroup setpriv --reuid 1999999 --regid 1999999 --clear-groups";
    if !is_possible(shell(&format!("exec {as_user} \"$0\" --list")), "a cgroup namespace, and another user") {
        return;
    }
    let Some(group) = ControlGroup::new("unseen") else { return };
    let reports = subprocess::run_by(shell(&group.script(as_user)), test_name!(), "").reports();
    assert_eq!(reports, ["None"]);
}

#[test]
fn the_limit_of_process_ids_is_named() {
    if subprocess::case().is_some() {
        fs::write("/proc/sys/kernel/pid_max", LOWEST_PID_MAX.to_string()).unwrap();
        return report_limit(200);
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    // An older kernel has one limit for all PID namespaces, which must not change here.
    let has_own_limit = (numbers.next(), numbers.next()) >= (Some(6), Some(14));
    let namespace = |command: &str| shell(&format!("exec unshare --pid --fork --mount-proc {command}"));
    let what = "the superuser, and a PID namespace with a limit of its own";
    let probe = if has_own_limit && geteuid().is_root() { namespace("true") } else { Command::new("false") };
    if !is_possible(probe, what) {
        return;
    }
    let reports = subprocess::run_by(namespace("\"$0\" \"$@\""), test_name!(), "").reports();
    assert_eq!(reports, [format!("{:?}", Some(ThreadLimit::ProcessIds { max: LOWEST_PID_MAX }))]);
}
