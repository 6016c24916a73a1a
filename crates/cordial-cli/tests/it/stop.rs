//! Ends that come from outside: signals and closed outputs. Nothing may be left behind.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::program::{Place, cordial, finish, send, wait_until};

fn start(args: &[&str]) -> Child {
    cordial().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_signal_kills_what_runs_and_says_what_was_done() {
    for (signal, name, status) in
        [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)]
    {
        let place = Place::new();
        let script = format!(r#"case $1 in done) echo done;; failed) exit 1;; *) {};; esac"#, Place::FAMILY);
        let mut child = start(&["map", "-c", "2", "--", "sh", "-c", &script, "sh", "{}", place.text()]);
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"done\nfailed\none\ntwo\nnever\nnever\n").unwrap();
        place.wait_for("one");
        place.wait_for("two");
        // Results are counted in order: with this line both are.
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut complaint = String::new();
        stderr.read_line(&mut complaint).unwrap();
        assert!(complaint.starts_with("cordial: item 2 \"failed\" failed: "), "{complaint}");
        // The input is still open, and reading it must not keep the program alive.
        send(&child, signal);
        let ran = finish(child);
        drop(input);
        assert_eq!((ran.status, ran.stdout.as_slice()), (status, &b"done\n"[..]));
        let last = io::read_to_string(stderr).unwrap();
        let lines: Vec<&str> = last.lines().collect();
        assert_eq!(
            lines,
            [
                "cordial: item 3 \"one\" was ended before it was done",
                "cordial: item 4 \"two\" was ended before it was done",
                &format!(
                    "cordial: stopped by {name}: 2 items are done (1 failed), 2 ended early, the rest of the input not started"
                ),
            ]
        );
        place.wait_until_family_is_gone("one");
        place.wait_until_family_is_gone("two");
        assert!(!place.path("never").exists());
    }
}

#[test]
fn a_signal_while_waiting_for_input_stops_too() {
    let mut child = start(&["map", "-c", "1", "--", "echo"]);
    let mut input = child.stdin.take().unwrap();
    // The answer shows that it listens.
    input.write_all(b"a\n").unwrap();
    let mut answer = [0; 2];
    child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    send(&child, Signal::INT);
    let ran = finish(child);
    drop(input);
    assert_eq!((ran.status, ran.stderr.lines().count()), (130, 1));
    assert!(ran.stderr.starts_with("cordial: stopped by SIGINT: "), "{}", ran.stderr);
}

#[test]
fn a_second_signal_kills_and_says_so() {
    let place = Place::new();
    // They do not hear the first.
    let script = format!("trap '' TERM; {}", Place::FAMILY);
    let mut child = start(&["map", "-c", "2", "--grace", "1h", "--", "sh", "-c", &script, "sh", "{}", place.text()]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\ntwo\nnever\n").unwrap();
    drop(input);
    place.wait_for("one");
    place.wait_for("two");
    send(&child, Signal::HUP);
    // Two that come at the same moment are one for the system.
    std::thread::sleep(std::time::Duration::from_millis(200));
    send(&child, Signal::HUP);
    let ran = finish(child);
    assert_eq!(ran.status, 129);
    assert_eq!(
        ran.stderr,
        "cordial: item 1 \"one\" was killed before it was done\n\
         cordial: item 2 \"two\" was killed before it was done\n\
         cordial: stopped by SIGHUP: 0 items are done (0 failed), 0 ended early, 2 killed, 1 not started\n"
    );
    place.wait_until_family_is_gone("one");
    place.wait_until_family_is_gone("two");
}

#[test]
fn nohup_is_not_undone() {
    let place = Place::new();
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
            place.text(),
        ])
        .args([":::", "a"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    place.wait_for("begun");
    send(&child, Signal::HUP);
    send(&child, Signal::HUP);
    place.touch("go");
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!((child.wait().unwrap().code(), output.as_str()), (Some(0), "done\n"));
}

#[test]
fn what_is_stopped_goes_on() {
    let place = Place::new();
    // It waits without children: while one is being made, its parent is not seen as stopped.
    let script = r#"mkfifo "$2/go"; echo $$ > "$2/pid.new"; mv "$2/pid.new" "$2/pid"; read go < "$2/go"; echo done"#;
    let child = start(&["map", "sh", "-c", script, "sh", "{}", place.text(), ":::", "a"]);
    place.wait_for("pid");
    let pid = std::fs::read_to_string(place.path("pid")).unwrap();
    let state = |pid: &str| std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
    let own = child.id().to_string();
    send(&child, Signal::TSTP);
    wait_until("both are stopped", || state(&pid).contains("State:\tT") && state(&own).contains("State:\tT"));
    send(&child, Signal::CONT);
    place.write("go", "\n");
    let ran = finish(child);
    assert_eq!((ran.status, ran.stdout.as_slice()), (0, &b"done\n"[..]));
}

/// What a terminal does: its signals are for the whole group in its foreground, in which a command is for its first moment.
#[cfg(target_os = "linux")]
#[test]
fn a_stop_misses_nothing_that_is_just_being_started() {
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
        // It comes first, and until it is its program it looks like a command.
        wait_until("there is a guard", || has_guard(child.id()));
        let all = || states_of_commands(child.id());
        wait_until("some commands run", || all().len() > n_before);
        kill_process_group(own, Signal::TSTP).unwrap();
        wait_until("we are stopped", || state_of(child.id()) == Some('T'));
        wait_until("all that runs is stopped", || all().iter().all(|state| *state == 'T'));
        kill_process_group(own, Signal::CONT).unwrap();
        wait_until("all is started, and nothing is stopped any more", || {
            let all = all();
            all.len() == COMMANDS && !all.contains(&'T')
        });
        send(&child, Signal::INT);
        assert_eq!(finish(child).status, 130);
    }
}

/// The states of all commands that a process has started. One that has not become its program yet counts.
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

/// All children of a process, each with what `stat_of` tells.
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

/// State, parent, and more.
#[cfg(target_os = "linux")]
fn stat_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

#[test]
fn two_signals_leave_nothing_behind_either() {
    let place = Place::new();
    let mut child = start(&["map", "-c", "1", "--", "sh", "-c", Place::FAMILY, "sh", "{}", place.text()]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\n").unwrap();
    place.wait_for("one");
    send(&child, Signal::INT);
    send(&child, Signal::INT);
    let ran = finish(child);
    drop(input);
    assert_eq!(ran.status, 130);
    place.wait_until_family_is_gone("one");
}

#[test]
fn a_signal_is_obeyed_while_nobody_reads_the_output() {
    let place = Place::new();
    // More than any pipe holds.
    let script = format!(r#"case $1 in large) yes | head -c 4000000;; *) {};; esac"#, Place::FAMILY);
    let mut child = start(&["map", "-c", "2", "--", "sh", "-c", &script, "sh", "{}", place.text()]);
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    input.write_all(b"large\none\n").unwrap();
    place.wait_for("one");
    // The first byte shows that it is printing; nobody reads the others.
    output.read_exact(&mut [0]).unwrap();
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status, 143);
    drop((input, output));
    place.wait_until_family_is_gone("one");
}

#[test]
fn a_closed_standard_output_ends_the_run_quietly() {
    let place = Place::new();
    let script = format!(
        r#"case $1 in first) echo first;; second) while [ ! -e "$2/closed" ]; do sleep 0.01; done; echo second;; *) {};; esac"#,
        Place::FAMILY
    );
    let mut child = start(&["map", "-c", "3", "--", "sh", "-c", &script, "sh", "{}", place.text()]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"first\nsecond\nthird\n").unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut first = [0; 6];
    output.read_exact(&mut first).unwrap();
    place.wait_for("third");
    drop(output);
    place.touch("closed");
    let ran = finish(child);
    drop(input);
    assert_eq!((ran.status, ran.stderr.as_str()), (141, ""));
    place.wait_until_family_is_gone("third");
}

#[test]
fn a_closed_standard_error_changes_nothing() {
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
    let ran = finish(child);
    assert_eq!((ran.status, ran.stdout.as_slice()), (3, &b"a\nb\nc\n"[..]));
}

#[test]
fn with_both_outputs_closed_it_just_ends() {
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
fn a_broken_standard_output_is_told() {
    let mut child = cordial()
        .args(["map", "--", "echo"])
        .stdin(Stdio::piped())
        .stdout(File::create("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb\n").unwrap();
    let ran = finish(child);
    assert_eq!(
        (ran.status, ran.stderr.as_str()),
        (255, "cordial: standard output cannot be written: No space left on device\n")
    );
}

#[test]
fn a_broken_standard_input_is_told() {
    let child =
        cordial().args(["map", "--", "echo"]).stdin(File::open("/").unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    let ran = finish(child);
    assert_eq!((ran.status, ran.stderr.as_str()), (255, "cordial: the items cannot be read: Is a directory\n"));
}
