//! Whatever the system lacks or refuses, the command does not hang or abort, and loses no output without a message: either all items
//! are run and printed, or the status and a message say that they are not.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::harness::{at_once, cordial, file, prepare_for_programs, skip};

/// How long a run may take before it is killed, so that its test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// A way to run three items, whose outputs are together those in `PRINTED`.
struct Way {
    name: &'static str,
    args: &'static [&'static str],
    input: &'static str,
}

const WAYS: [Way; 6] = [
    Way { name: "arguments", args: &["map", "-c4", "echo", ":::", "1", "2", "3"], input: "" },
    Way { name: "input", args: &["map", "-c4", "echo"], input: "1\n2\n3\n" },
    Way { name: "one at a time", args: &["map", "-c1", "echo"], input: "1\n2\n3\n" },
    Way { name: "lines", args: &["map", "-c4", "--line-buffer", "echo", ":::", "1", "2", "3"], input: "" },
    Way { name: "inherited outputs", args: &["map", "-c4", "-u", "echo", ":::", "1", "2", "3"], input: "" },
    // While one command runs, others find that something is short, and are tried again.
    Way {
        name: "slow",
        args: &["map", "-c4", "sh", "-c", "sleep 0.05; echo $1", "sh", ":::", "1", "2", "3"],
        input: "",
    },
];

const PRINTED: [&str; 3] = ["1", "2", "3"];

/// Whether a message can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Messages {
    Open,
    Closed,
}

/// Adds the arguments and the input of a way, runs the command, and checks how it ends. Returns whether all items were run.
fn is_run(row: &str, mut command: Command, way: &Way, messages: Messages) -> bool {
    let Way { name, args, input } = way;
    command.args(*args).stdin(file(input.as_bytes())).stdout(Stdio::piped()).stderr(Stdio::piped());
    let row = format!("{row}, {name}");
    let output = finish_in_time(&row, command.spawn().unwrap());
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let shown = format!("{row}: {}\n{stdout}\n{stderr}", output.status);
    let status = output.status.code().unwrap_or_else(|| panic!("{shown}"));
    assert!(!stderr.contains("panicked") && !stderr.contains("os error"), "{shown}");
    let mut printed: Vec<&str> = stdout.lines().collect();
    printed.sort_unstable();
    if status == 0 {
        assert_eq!((&printed[..], &*stderr), (&PRINTED[..], ""), "{shown}");
        return true;
    }
    match messages {
        // The program has no option for the number of its workers.
        Messages::Open => {
            assert!(!stderr.is_empty() && !stderr.contains("os error") && !stderr.contains("workers"), "{shown}");
        }
        Messages::Closed => assert_eq!(stderr, "", "{shown}"),
    }
    // Only the items that failed are missing.
    let n_failed = usize::try_from(status).unwrap();
    assert!(status > 3 || printed.len() + n_failed == PRINTED.len(), "{shown}");
    assert!(status <= 3 || printed.is_empty(), "{shown}");
    false
}

fn finish_in_time(row: &str, mut child: Child) -> Output {
    let pid = Pid::from_child(&child);
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (ended, end) = channel::<()>();
    std::thread::scope(|scope| {
        let limit = scope.spawn(move || {
            let is_late = end.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout);
            if is_late {
                kill_process(pid, Signal::KILL).unwrap();
            }
            is_late
        });
        let stderr = scope.spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).unwrap();
        let stderr = stderr.join().unwrap().unwrap();
        let status = child.wait().unwrap();
        drop(ended);
        assert!(!limit.join().unwrap(), "{row}: it hangs");
        Output { status, stdout: output, stderr }
    })
}

/// How many runs are made at once. Most of them wait more than they compute.
const AT_ONCE: usize = 4;

/// Checks a row with all ways, and returns whether the items of all were run.
fn check_all(row: &str, command: impl Fn() -> Command + Sync, messages: Messages) -> bool {
    let all_run = AtomicBool::new(true);
    at_once(AT_ONCE, &WAYS, |way| {
        if !is_run(row, command(), way, messages) {
            all_run.store(false, Ordering::Relaxed);
        }
    });
    all_run.into_inner()
}

/// Returns a shell that runs the script, in which `$0` is the binary and `$@` are the arguments of a way.
fn shell(script: &str) -> Command {
    prepare_for_programs();
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_cordial")]);
    command
}

/// Limits this thread, and the programs that it starts, to this many processors.
fn limit_processors(n: usize) {
    let available = sched_getaffinity(None).unwrap();
    let mut limited = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|cpu| available.is_set(*cpu)).take(n).for_each(|cpu| limited.set(cpu));
    sched_setaffinity(None, &limited).unwrap();
}

/// Returns `prlimit` with this limit on threads, for a user who has no other ones.
fn with_threads(limit: &str) -> Command {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let mut command = Command::new("prlimit");
    if rustix::process::geteuid().is_root() {
        // Each run has a user of its own, because the threads of the last run may still end.
        let n = USERS.fetch_add(1, Ordering::Relaxed) % 10_000;
        let user = 100_000_000 + std::process::id() % 10_000 * 10_000 + n;
        command.uid(user).gid(user);
    } else {
        // In a new namespace of users, threads are counted from zero.
        command = Command::new("unshare");
        command.args(["--user", "--map-current-user", "--", "prlimit"]);
    }
    command.arg(format!("--nproc={limit}:{limit}")).arg(env!("CARGO_BIN_EXE_cordial"));
    command
}

#[test]
fn every_number_of_threads_runs_all_items_or_is_refused() {
    let probe = with_threads("100").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("this test needs prlimit, and a user without other threads");
    }
    for processors in [1, 2] {
        limit_processors(processors);
        let workers = std::thread::available_parallelism().unwrap().get();
        // The program, its guard, its runtime, the threads that start commands, its outputs and its input, and commands
        // with a child each.
        let most = 2 + (2 * workers + 2) + workers + 3 + 6;
        for n in 1..=most + 3 {
            let row = format!("{n} threads on {processors} processors");
            let all = check_all(&row, || with_threads(&n.to_string()), Messages::Open);
            // Some threads start only when they are needed.
            assert!(n < most || all, "{row}");
        }
    }
}

#[test]
fn every_number_of_files_runs_all_items_or_is_refused() {
    limit_processors(2);
    for n in (4..=40).chain((44..=64).step_by(4)) {
        let all =
            check_all(&format!("{n} files"), || shell(&format!(r#"ulimit -n {n}; exec "$0" "$@""#)), Messages::Open);
        assert!(n < 48 || all, "{n} files");
    }
    for n in 4..=16 {
        let script = format!(r#"trap '' CHLD; ulimit -n {n}; exec "$0" "$@""#);
        check_all(&format!("{n} files, SIGCHLD is ignored"), || shell(&script), Messages::Open);
    }
}

#[test]
fn a_program_with_too_few_files_names_the_limit_to_raise() {
    // How many files are open already depends on who starts the test, so each number is tried.
    for n in 4..=24 {
        let result = crate::harness::shell(&format!(r#"ulimit -n {n}; exec "$0" map -c1 echo ::: 1"#));
        let is_run = result.status == 0;
        assert!(is_run || result.stderr.contains("ulimit -n"), "{n} files: {}", result.stderr);
    }
}

/// A failed allocation aborts a program, so threads are refused while some address space is left.
#[test]
fn every_size_of_the_address_space_runs_all_items_or_is_refused() {
    limit_processors(2);
    // Below the first number, there is no room for the program, the C library and the options of `map`.
    let starts = |mib: &u32| {
        let kib = mib * 1024;
        let mut help = shell(&format!(r#"ulimit -v {kib}; exec "$0" map --help"#));
        help.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    let first = (16..=64).step_by(2).find(starts).expect("64 MiB have room for the program");
    for mib in (first..=64).step_by(2).chain((72..=256).step_by(8)) {
        let kib = mib * 1024;
        check_all(&format!("{mib} MiB"), || shell(&format!(r#"ulimit -v {kib}; exec "$0" "$@""#)), Messages::Open);
    }
    let all = check_all("1 GiB", || shell(r#"ulimit -v 1048576; exec "$0" "$@""#), Messages::Open);
    assert!(all);
}

#[test]
fn a_program_with_too_little_address_space_names_the_limit_to_raise() {
    limit_processors(2);
    at_once(2, (64..=320).step_by(4), |mib| {
        let result = crate::harness::shell(&format!(r#"ulimit -v {}; exec "$0" map -c2 echo ::: 1 2"#, mib * 1024));
        assert!(result.status == 0 || result.stderr.contains("ulimit -v"), "{mib} MiB: {}", result.stderr);
    });
}

#[test]
fn every_size_of_the_stack_runs_all_items() {
    // The system puts the environment on the stack: with a large one, no program at all runs with 16 KiB.
    let small_environment = |kib: u32| {
        let mut command = shell(&format!(r#"ulimit -s {kib}; exec "$0" "$@""#));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    };
    for kib in [16, 64, 512, 2048, 16384] {
        assert!(check_all(&format!("{kib} KiB"), || small_environment(kib), Messages::Open), "{kib} KiB");
    }
}

#[test]
fn closed_standard_streams_do_not_lose_the_output_of_the_others() {
    for way in &WAYS {
        assert!(is_run("a closed standard error", shell(r#"exec "$0" "$@" 2>&-"#), way, Messages::Closed));
        // Without an input there are no items, so only ways with arguments are left.
        if way.input.is_empty() {
            assert!(is_run("a closed standard input", shell(r#"exec "$0" "$@" 0<&-"#), way, Messages::Open));
        }
    }
    // The status counts the failures that cannot be printed.
    let failed = shell(r#""$0" map -c2 sh -c 'echo out; exit 3' ::: 1 2 2>&-"#).output().unwrap();
    assert_eq!((failed.status.code(), &*failed.stdout), (Some(2), &b"out\nout\n"[..]));
    let all_closed = shell(r#""$0" map -c2 false ::: 1 2 0<&- 1>&- 2>&-"#).status().unwrap();
    assert_eq!(all_closed.code(), Some(2));
}

/// Nothing that the command needs is read from `/proc`.
#[test]
fn items_are_run_without_proc() {
    let hidden = |script: &str| {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", &format!("mount -t tmpfs none /proc && {script}")]);
        command.arg(env!("CARGO_BIN_EXE_cordial"));
        command
    };
    let probe = hidden("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("this test needs unshare, and the right to mount");
    }
    let all = check_all("without /proc", || hidden(r#"exec "$0" "$@""#), Messages::Open);
    assert!(all);
}

#[test]
fn items_are_run_on_one_processor() {
    limit_processors(1);
    let all = check_all("one processor", cordial, Messages::Open);
    assert!(all);
}

/// A parent may have ignored or blocked signals that the command handles.
#[test]
fn items_are_run_with_signals_that_the_parent_ignores() {
    let ignored = r#"trap '' HUP INT TERM TSTP CHLD PIPE USR1; exec "$0" "$@""#;
    let all = check_all("ignored signals", || shell(ignored), Messages::Open);
    assert!(all);
}
