//! When the program is killed by SIGKILL, the guard kills the running commands.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{TestDir, cordial, prepare_for_programs, send, skip, wait_until};

/// Returns the ids of processes that have this variable, `NAME=value`, in their environment.
fn processes_with_variable(marker: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let has_variable = |pid: &str| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == marker.as_bytes())
    };
    processes.filter_map(|process| process.file_name().into_string().ok()).filter(|pid| has_variable(pid)).collect()
}

#[test]
fn no_command_survives_a_hundred_kills_at_random_times() {
    let times: Vec<Duration> = (0..100).map(kill_at_random_time).collect();
    // On a busy machine, a guard may get no processor for seconds, but that is rare.
    let n_fast = times.iter().filter(|time| **time < Duration::from_secs(1)).count();
    assert!(n_fast >= 50, "{times:?}");
}

/// Kills a run, and waits until all of its commands are gone. Returns how long that took.
fn kill_at_random_time(round: u32) -> Duration {
    let marker = format!("KILLED={}-{round}", std::process::id());
    let (name, value) = marker.split_once('=').unwrap();
    // Short and long commands, some with children, so that commands are being started at any time.
    let script = "case $(($1 % 3)) in 0) exit 0;; 1) sleep 1000;; 2) sleep 1000 & wait;; esac";
    let mut child = cordial()
        .args(["map", "-c40", "--quiet", "sh", "-c", script, "sh", ":::"])
        .args((0..100).map(|n| n.to_string()))
        .env(name, value)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_micros(fastrand::u64(0..60_000)));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test checks a bound in real time")]
    let killed = Instant::now();
    wait_until(&format!("all commands of round {round} are gone"), || processes_with_variable(&marker).is_empty());
    killed.elapsed()
}

/// Returns how many processes run this file.
fn processes_that_run(program: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|process| fs::read_link(process.path().join("exe")).is_ok_and(|file| file == program)).count()
}

/// A link to the program in a folder of its own. Its name distinguishes its processes from those of other tests; a copy may be busy
/// when it is started.
fn link_to_program() -> (tempfile::TempDir, PathBuf) {
    prepare_for_programs();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("guarded");
    fs::hard_link(env!("CARGO_BIN_EXE_cordial"), &program).unwrap();
    (folder, program)
}

#[test]
fn the_guard_exits_before_the_run_does() {
    let (_folder, program) = link_to_program();
    let dir = TestDir::new();
    let script = r#"touch "$1/running"; while [ ! -e "$1/go" ]; do sleep 0.01; done"#;
    let mut child =
        Command::new(&program).args(["map", "sh", "-c", script, "sh", dir.text(), ":::", "a"]).spawn().unwrap();
    dir.wait_for("running");
    assert_eq!(processes_that_run(&program), 2, "the program and its guard");
    dir.touch("go");
    assert!(child.wait().unwrap().success());
    assert_eq!(processes_that_run(&program), 0);
}

/// The system refuses files, so that the run fails before, during or after the start of the guard.
#[test]
fn no_guard_outlives_a_run_that_cannot_start() {
    let (_folder, program) = link_to_program();
    let mut n_failed = 0;
    for n in (4..=48).step_by(2) {
        let script = format!(r#"ulimit -n {n}; exec "$0" map true ::: 1"#);
        let output = Command::new("sh").args(["-c", &script]).arg(&program).output().unwrap();
        assert_eq!(processes_that_run(&program), 0, "{n} files: {}", output.status);
        n_failed += usize::from(!output.status.success());
    }
    assert!((1..23).contains(&n_failed), "{n_failed} of 23 runs failed");
}

/// The system cuts off the name of a program after 15 bytes, here within a character.
#[test]
fn the_guard_kills_a_group_whose_name_is_not_text() {
    let script = r#"
        ln -s "$(command -v timeout)" "$1/вычисление"
        CORDIAL_RUN=$1 "$1/вычисление" 120 sh -c ': > "$1/started"; sleep 1000' sh "$1" & group=$!
        until [ -e "$1/started" ]; do sleep 0.01; done
        CORDIAL_GUARDED=$1 "$0" guard < /dev/null
        wait $group
        echo $?"#;
    let dir = TestDir::new();
    let result = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_cordial"), dir.text()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&result.stdout), "137\n", "{}", String::from_utf8_lossy(&result.stderr));
}

/// The program may be killed after it has started a command and before the guard knows it. A container may have the `/proc` of its
/// host, where processes have other numbers than in the container.
#[test]
fn the_guard_kills_a_group_that_was_not_announced_also_where_proc_numbers_it_otherwise() {
    // `timeout` leads a group of its own. It ends the command itself if the guard does not.
    let script = r#"
        CORDIAL_RUN=$2 timeout 120 sh -c ': > "$1/started"; sleep 1000' sh "$1" & group=$!
        until [ -e "$1/started" ]; do sleep 0.01; done
        CORDIAL_GUARDED=$2 "$0" guard < /dev/null
        wait $group
        echo $?"#;
    let run = |mut command: Command| {
        let dir = TestDir::new();
        command.args(["sh", "-c", script, env!("CARGO_BIN_EXE_cordial"), dir.text(), dir.text()]).output().unwrap()
    };
    let other_numbers = || {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--pid", "--fork"]);
        command
    };
    let result = run(Command::new("env"));
    assert_eq!(String::from_utf8_lossy(&result.stdout), "137\n", "{}", String::from_utf8_lossy(&result.stderr));
    let probe = other_numbers().arg("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("this part of a test needs unshare, and the right to a pid namespace");
    }
    let result = run(other_numbers());
    assert_eq!(String::from_utf8_lossy(&result.stdout), "137\n", "{}", String::from_utf8_lossy(&result.stderr));
}
