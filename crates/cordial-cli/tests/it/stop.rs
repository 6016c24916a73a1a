//! Runs that are stopped by signals or closed outputs. No command may survive its run.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::harness::{TestDir, cordial, finish, is_progress, send, shell, start, total_memory, wait_until};

#[test]
fn a_signal_stops_the_run_and_prints_a_summary() {
    for (signal, name, status) in
        [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)]
    {
        let dir = TestDir::new();
        let script =
            format!(r#"case $1 in done) echo done;; failed) exit 1;; *) {};; esac"#, TestDir::PARENT_AND_CHILD);
        let mut child = start(&["map", "-c", "2", "--", "sh", "-c", &script, "sh", "{}", dir.text()]);
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"done\nfailed\none\ntwo\nnever\nnever\n").unwrap();
        dir.wait_for("one");
        dir.wait_for("two");
        // Results are counted in order: after this line, both are counted.
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut message = String::new();
        stderr.read_line(&mut message).unwrap();
        assert!(message.starts_with("cordial: item 2 \"failed\" failed: "), "{message}");
        // The input is still open; reading it must not keep the program running.
        send(&child, signal);
        let result = finish(child);
        drop(input);
        assert_eq!((result.status, result.stdout.as_slice()), (status, &b"done\n"[..]));
        let last = io::read_to_string(stderr).unwrap();
        let lines: Vec<&str> = last.lines().filter(|line| !is_progress(line)).collect();
        assert_eq!(
            lines,
            [
                "cordial: item 3 \"one\" was stopped before it finished",
                "cordial: item 4 \"two\" was stopped before it finished",
                &format!(
                    "cordial: stopped by {name}: 2 items finished (1 failed), 2 stopped early, the rest of the input not started"
                ),
            ]
        );
        dir.wait_until_processes_exit("one");
        dir.wait_until_processes_exit("two");
        assert!(!dir.path("never").exists());
    }
}

/// No command runs, so that none needs the time of `--grace`.
#[test]
fn a_signal_stops_a_run_that_waits_before_it_starts_a_command() {
    for options in [&["--delay", "1000s"][..], &["--memfree", &total_memory()]] {
        let dir = TestDir::new();
        let script = format!("echo {{}}; touch {}/{{}}", dir.text());
        let mut child = start(&[&["map", "--grace", "1000s", "-c1"][..], options, &[&script]].concat());
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"first\nsecond\n").unwrap();
        if options[0] == "--delay" {
            dir.wait_for("first");
        } else {
            // The handlers of the signals are installed before the first item is read.
            wait_until("the items are read", || is_empty(&input));
        }
        send(&child, Signal::TERM);
        let result = finish(child);
        drop(input);
        assert_eq!(result.status, 143, "{options:?}: {}", result.stderr);
        assert!(!dir.path("second").exists(), "{options:?}");
    }
}

/// Returns whether all bytes that were written to a pipe were read.
fn is_empty(pipe: &impl std::os::fd::AsFd) -> bool {
    rustix::io::ioctl_fionread(pipe).unwrap() == 0
}

#[test]
fn a_signal_stops_a_run_that_waits_for_input() {
    let mut child = start(&["map", "-c", "1", "--", "echo"]);
    let mut input = child.stdin.take().unwrap();
    // After the first output, the signal handlers are installed.
    input.write_all(b"a\n").unwrap();
    let mut answer = [0; 2];
    child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    send(&child, Signal::INT);
    let result = finish(child);
    drop(input);
    assert_eq!((result.status, result.stderr.lines().count()), (130, 1));
    assert!(result.stderr.starts_with("cordial: stopped by SIGINT: "), "{}", result.stderr);
}

/// Without the signal, the run would wait for the end of each source before the first command.
#[test]
fn a_signal_stops_a_run_that_reads_several_sources() {
    for (option, n_lines) in [("-c1", 1), ("--dry-run", 0)] {
        let mut child = start(&["map", option, "echo", "::::", "-", ":::", "a"]);
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"b\n").unwrap();
        // The handlers of the signals are installed before the first item is read.
        wait_until("the items are read", || is_empty(&input));
        send(&child, Signal::INT);
        let result = finish(child);
        drop(input);
        assert_eq!((result.status, result.stderr.lines().count()), (130, n_lines), "{option}: {}", result.stderr);
        assert!(result.stdout.is_empty(), "{option}");
    }
}

#[test]
fn a_dry_run_prints_each_command_at_once_and_ends_with_the_status_of_a_signal() {
    let mut child = start(&["map", "--dry-run", "echo"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"a\n").unwrap();
    let output = child.stdout.as_ref().unwrap();
    wait_until("the first command is printed", || !is_empty(output));
    send(&child, Signal::TERM);
    let result = finish(child);
    drop(input);
    assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (143, &b"echo a\n"[..], ""));
}

#[test]
fn a_second_signal_kills_running_commands() {
    let dir = TestDir::new();
    // The commands survive SIGTERM, and record it.
    let script = r#"trap '' TERM; sleep 1000 & trap ': > "$2/$1.term"' TERM; echo $$ $! > "$2/$1.new"; mv "$2/$1.new" "$2/$1"; : > "$2/$1.waits"; while :; do wait; done"#;
    let mut child = start(&["map", "-c", "2", "--grace", "1h", "--", "sh", "-c", script, "sh", "{}", dir.text()]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\ntwo\nnever\n").unwrap();
    drop(input);
    // Not for `one` and `two`: the signal could end `mv` then, which the shell would print.
    dir.wait_for("one.waits");
    dir.wait_for("two.waits");
    send(&child, Signal::TERM);
    // Two signals at the same time would be delivered as one. When the commands have received
    // SIGTERM, the first signal has been handled.
    dir.wait_for("one.term");
    dir.wait_for("two.term");
    send(&child, Signal::TERM);
    let result = finish(child);
    assert_eq!(result.status, 143);
    assert_eq!(
        result.stderr,
        "cordial: item 1 \"one\" was killed before it finished\n\
         cordial: item 2 \"two\" was killed before it finished\n\
         cordial: stopped by SIGTERM: 0 items finished (0 failed), 0 stopped early, 2 killed, 1 not started\n"
    );
    dir.wait_until_processes_exit("one");
    dir.wait_until_processes_exit("two");
}

#[test]
fn sighup_is_ignored_under_nohup() {
    let dir = TestDir::new();
    let mut command = std::process::Command::new("nohup");
    let mut child = command
        .args([
            env!("CARGO_BIN_EXE_cordial"),
            "map",
            "-c1",
            "sh",
            "-c",
            "touch $1/begun; while [ ! -e $1/go ]; do sleep 0.01; done; echo done",
            "sh",
            dir.text(),
        ])
        .args([":::", "a"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    dir.wait_for("begun");
    send(&child, Signal::HUP);
    send(&child, Signal::HUP);
    dir.touch("go");
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!((child.wait().unwrap().code(), output.as_str()), (Some(0), "done\n"));
}

#[test]
fn sigtstp_and_sigcont_are_forwarded() {
    let dir = TestDir::new();
    // The shell waits without a child: while it forks, the kernel does not report it as stopped.
    let script = r#"mkfifo "$2/go"; echo $$ > "$2/pid.new"; mv "$2/pid.new" "$2/pid"; read go < "$2/go"; echo done"#;
    let child = start(&["map", "sh", "-c", script, "sh", "{}", dir.text(), ":::", "a"]);
    dir.wait_for("pid");
    let pid = std::fs::read_to_string(dir.path("pid")).unwrap();
    let state = |pid: &str| std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
    let own = child.id().to_string();
    send(&child, Signal::TSTP);
    wait_until("both are stopped", || state(&pid).contains("State:\tT") && state(&own).contains("State:\tT"));
    send(&child, Signal::CONT);
    dir.write("go", "\n");
    let result = finish(child);
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"done\n"[..]));
}

/// Signals that come together are received in any order. The last one decides, unless the thread that handles SIGTSTP gets no processor
/// until another thread has handled SIGCONT. That is rare: 3 of 1000 rounds on two processors, and 33 where the order of receipt decides.
#[cfg(target_os = "linux")]
#[test]
fn sigcont_right_after_sigtstp_leaves_the_run_running() {
    const ROUNDS: usize = 300;
    const MOST_SUSPENDED: usize = 4;
    let counts = [(); 2].map(|()| n_suspended(ROUNDS));
    assert!(counts.iter().any(|n| *n <= MOST_SUSPENDED), "suspended {counts:?} times in {ROUNDS} rounds");
}

/// Sends both signals before each item. Returns how often the program is then suspended.
#[cfg(target_os = "linux")]
fn n_suspended(rounds: usize) -> usize {
    let mut n_suspended = 0;
    let dir = TestDir::new();
    let mut child = start(&["map", "-c1", "touch", &format!("{}/{{}}", dir.text())]);
    let mut input = child.stdin.take().unwrap();
    for n in 0..rounds {
        if n > 0 {
            send(&child, Signal::TSTP);
            send(&child, Signal::CONT);
        }
        input.write_all(format!("{n}\n").as_bytes()).unwrap();
        let is_run = || dir.path(&n.to_string()).exists();
        // SIGCONT was sent before.
        let is_suspended = || state_of(child.id()) == Some('T');
        wait_until("the item is run, or the program is suspended", || is_run() || is_suspended());
        if !is_run() && is_suspended() {
            n_suspended += 1;
            send(&child, Signal::CONT);
            dir.wait_for(&n.to_string());
        }
    }
    drop(input);
    // The last item may have ended before the run was suspended.
    wait_until("the run ends", || {
        send(&child, Signal::CONT);
        state_of(child.id()) == Some('Z')
    });
    let result = finish(child);
    assert_eq!((result.status, &*result.stderr), (0, ""));
    n_suspended
}

/// The shell ignores SIGINT in a program that a script starts with `&`, and `xargs` keeps ignoring it.
#[test]
fn sigint_that_is_ignored_at_the_start_does_not_stop_the_run() {
    let result = shell("trap '' INT; \"$0\" map -c1 'kill -INT $PPID; kill -INT $$; echo {}' ::: a b");
    assert_eq!((result.status, result.text(), &*result.stderr), (0, "a\nb\n", ""));
}

/// A terminal sends signals to its whole foreground group. Before `exec`, a command is still in it.
#[cfg(target_os = "linux")]
#[test]
fn sigtstp_stops_commands_that_are_being_started() {
    const COMMANDS: usize = 40;
    for n_before in (0..COMMANDS - 1).step_by(2) {
        let items = (0..COMMANDS).map(|_| "1000");
        let child = cordial()
            .args(["map", "-c40", "sleep", ":::"])
            .args(items)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let own = Pid::from_child(&child);
        // The guard is started first, and before `exec` it looks like a command.
        wait_until("the guard runs", || has_guard(child.id()));
        let all = || states_of_commands(child.id());
        wait_until("some commands run", || all().len() > n_before);
        kill_process_group(own, Signal::TSTP).unwrap();
        wait_until("the program is stopped", || state_of(child.id()) == Some('T'));
        wait_until("all running commands are stopped", || all().iter().all(|state| *state == 'T'));
        kill_process_group(own, Signal::CONT).unwrap();
        wait_until("all commands are started and none is stopped", || {
            let all = all();
            all.len() == COMMANDS && !all.contains(&'T')
        });
        send(&child, Signal::INT);
        assert_eq!(finish(child).status, 130);
    }
}

/// Returns the states of all commands of a process, including those before `exec`.
#[cfg(target_os = "linux")]
fn states_of_commands(parent: u32) -> Vec<char> {
    let commands = children(parent).filter(|(pid, _)| !is_guard(*pid));
    commands.filter_map(|(_, stat)| stat.chars().next()).collect()
}

#[cfg(target_os = "linux")]
fn has_guard(parent: u32) -> bool {
    children(parent).any(|(pid, _)| is_guard(pid))
}

#[cfg(target_os = "linux")]
fn is_guard(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"guard\0"))
}

/// Returns all children of a process, each with the result of `stat_of`.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> impl Iterator<Item = (u32, String)> {
    let parent = parent.to_string();
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter_map(|pid| Some((pid, stat_of(pid)?)))
        .filter(move |(_, stat)| stat.split(' ').nth(1) == Some(parent.as_str()))
}

#[cfg(target_os = "linux")]
fn state_of(pid: u32) -> Option<char> {
    stat_of(pid)?.chars().next()
}

/// Returns the fields of `/proc/PID/stat` after the name: state, parent and more.
#[cfg(target_os = "linux")]
fn stat_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

#[test]
fn two_signals_in_quick_succession_kill_everything() {
    let dir = TestDir::new();
    let mut child = start(&["map", "-c", "1", "--", "sh", "-c", TestDir::PARENT_AND_CHILD, "sh", "{}", dir.text()]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\n").unwrap();
    dir.wait_for("one");
    send(&child, Signal::INT);
    send(&child, Signal::INT);
    let result = finish(child);
    drop(input);
    assert_eq!(result.status, 130);
    dir.wait_until_processes_exit("one");
}

#[test]
fn a_signal_stops_a_run_whose_output_is_not_read() {
    let dir = TestDir::new();
    // Larger than any pipe.
    let script = format!(r#"case $1 in large) yes | head -c 4000000;; *) {};; esac"#, TestDir::PARENT_AND_CHILD);
    let mut child = start(&["map", "-c", "2", "--", "sh", "-c", &script, "sh", "{}", dir.text()]);
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    input.write_all(b"large\none\n").unwrap();
    dir.wait_for("one");
    // After the first byte, the program blocks on its output.
    output.read_exact(&mut [0]).unwrap();
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status, 143);
    drop((input, output));
    dir.wait_until_processes_exit("one");
}

/// No command runs any more, and the output of the item takes longer than the time after which a reader counts as stopped.
#[test]
fn a_signal_does_not_cut_off_an_output_that_is_read_slowly() {
    const BYTES: usize = 8_000_000;
    let script = format!("yes | head -c {BYTES}");
    let n_read = || {
        let mut child = start(&["map", "sh", "-c", &script, ":::", "a"]);
        let mut output = child.stdout.take().unwrap();
        // An output is printed when its command has ended.
        output.read_exact(&mut [0]).unwrap();
        send(&child, Signal::TERM);
        let (mut n_read, mut block) = (1, vec![0; 64 * 1024]);
        while let Ok(n @ 1..) = output.read(&mut block) {
            n_read += n;
            thread::sleep(Duration::from_millis(30));
        }
        assert_eq!(finish(child).status, 143);
        n_read
    };
    // If this thread gets no processor for a second, it counts as a reader that has stopped.
    let mut tries = (0..4).map(|_| n_read());
    assert!(tries.any(|n| n == BYTES), "the output is cut off each time");
}

#[test]
fn a_closed_standard_output_ends_the_run_without_a_message() {
    let dir = TestDir::new();
    let script = format!(
        r#"case $1 in first) echo first;; second) while [ ! -e "$2/closed" ]; do sleep 0.01; done; echo second;; *) {};; esac"#,
        TestDir::PARENT_AND_CHILD
    );
    let mut child = start(&["map", "-c", "3", "--", "sh", "-c", &script, "sh", "{}", dir.text()]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"first\nsecond\nthird\n").unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut first = [0; 6];
    output.read_exact(&mut first).unwrap();
    dir.wait_for("third");
    drop(output);
    dir.touch("closed");
    let result = finish(child);
    drop(input);
    assert_eq!((result.status, result.stderr.as_str()), (141, ""));
    dir.wait_until_processes_exit("third");
}

#[test]
fn a_closed_standard_error_is_ignored() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut child = cordial()
        .args(["map", "--", "sh", "-c", "echo $1; echo $1 >&2; exit 1", "sh"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb\nc\n").unwrap();
    let result = finish(child);
    assert_eq!((result.status, result.stdout.as_slice()), (3, &b"a\nb\nc\n"[..]));
}

#[test]
fn the_run_ends_when_both_outputs_are_closed() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut child = cordial()
        .args(["map", "--", "sh", "-c", "echo $1; exit 1", "sh"])
        .stdin(Stdio::piped())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb\n").unwrap();
    assert_eq!(finish(child).status, 141);
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_error_of_standard_output_is_reported() {
    let mut child = cordial()
        .args(["map", "--", "echo"])
        .stdin(Stdio::piped())
        .stdout(File::create("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb\n").unwrap();
    let result = finish(child);
    assert_eq!(
        (result.status, result.stderr.as_str()),
        (
            255,
            "cordial: cannot write to standard output: No space left on device; free space on that disk, or use another\n"
        )
    );
}

#[test]
fn a_read_error_of_standard_input_is_reported() {
    let child =
        cordial().args(["map", "--", "echo"]).stdin(File::open("/").unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    let result = finish(child);
    assert_eq!((result.status, result.stderr.as_str()), (255, "cordial: cannot read the items: Is a directory\n"));
}
