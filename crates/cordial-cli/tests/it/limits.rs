//! Timeouts, children that outlive their command, and limits of the system.

use std::io::{BufRead, BufReader};

use rustix::process::Signal;

use crate::harness::{TestDir, at_once, finish, run, send, shell, start, total_memory};

#[test]
fn a_timeout_kills_an_item_and_its_children_and_the_others_continue() {
    let dir = TestDir::new();
    // Only the item named `slow` waits forever.
    let script = format!(r#"echo before $1; [ $1 != slow ] || {{ {}; }}"#, TestDir::PARENT_AND_CHILD);
    // Long enough that the script has written its pids even on a slow machine, and longer than the default timeout of the library.
    let result = run(
        &["map", "-c", "1", "--timeout", "10s", "--", "sh", "-c", &script, "sh", "{}", dir.text()],
        b"a\nslow\nb\n",
    );
    assert_eq!(String::from_utf8(result.stdout).unwrap(), "before a\nbefore slow\nbefore b\n");
    assert!(result.stderr.starts_with("cordial: item 2 \"slow\" failed: sh -c "), "{}", result.stderr);
    assert!(
        result.stderr.contains(": took longer than 10s (--timeout) and was stopped\ncordial: 1 of 3 items failed\n"),
        "{}",
        result.stderr
    );
    assert_eq!(result.status, 1);
    dir.wait_until_processes_exit("slow");
}

#[test]
fn background_children_are_killed_with_their_item_and_do_not_delay_it() {
    let dir = TestDir::new();
    // The child holds both outputs open for a long time.
    let script = r#"sleep 1000 & echo $$ $! > "$2/$1"; echo $1"#;
    let result = run(&["map", "-c", "1", "--", "sh", "-c", script, "sh", "{}", dir.text()], b"a\nb\n");
    assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (0, &b"a\nb\n"[..], ""));
    dir.wait_until_processes_exit("a");
    dir.wait_until_processes_exit("b");
}

#[test]
fn a_command_has_the_grace_period_to_exit() {
    at_once(2, [("1m", "terminated\n"), ("0", "")], |(grace, stdout)| {
        // A shell runs a trap only after its foreground child has exited.
        let script = "trap 'echo terminated; exit 0' TERM; while :; do sleep 0.01; done";
        // Long enough that the shell has set its trap even on a slow machine.
        let result = run(&["map", "--timeout", "10s", "--grace", grace, "--", "sh", "-c", script, "sh"], b"a\n");
        assert_eq!((result.status, String::from_utf8(result.stdout).unwrap().as_str()), (1, stdout), "{grace}");
        assert!(result.stderr.contains("took longer than 10s (--timeout) and was stopped"), "{}", result.stderr);
    });
}

#[test]
fn starts_wait_while_too_many_files_are_open() {
    // 40 open files are enough for some commands at once, but not for 30.
    let result = shell("ulimit -n 40; seq 60 | \"$0\" map -c 30 -- sh -c 'sleep 0.02; echo $1' sh");
    let expected: String = (1..=60).map(|n| format!("{n}\n")).collect();
    assert_eq!((result.status, String::from_utf8(result.stdout).unwrap(), result.stderr), (0, expected, String::new()));
}

/// The system counts the environment and a pointer for each word as well. The stack limits all of that together.
#[cfg(target_os = "linux")]
#[test]
fn as_many_items_as_the_system_accepts_are_passed_to_a_command() {
    let large =
        r#"v=$(head -c 100000 /dev/zero | tr '\0' x); for n in 0 1 2 3 4 5 6 7 8; do export v1$n=$v v2$n=$v; done"#;
    for before in ["ulimit -s 256", "ulimit -s 8192", &format!("ulimit -s 8192; {large}")] {
        for options in ["-X", "-n 40000", "-X --shell"] {
            let result = shell(&format!("{before}; seq 40000 | \"$0\" map {options} echo | wc -w"));
            assert_eq!((result.text().trim(), &*result.stderr), ("40000", ""), "{before}, {options}");
        }
    }
}

#[test]
fn too_many_arguments_fail_only_their_command() {
    // An item of 100 kB that is inserted 60 times; Linux allows a quarter of the limit of the stack, or 6 MB.
    let words = "{} ".repeat(60);
    let result = shell(&format!(
        r#"(head -c 100000 /dev/zero | tr '\0' x; echo; echo y) | "$0" map -c1 sh -c 'echo $#' sh {words}"#
    ));
    assert_eq!((result.status, result.stdout.as_slice()), (1, &b"60\n"[..]));
    assert!(
        result
            .stderr
            .contains("cannot be started: Argument list too long; the arguments and the environment together exceed"),
        "{}",
        result.stderr
    );
    assert!(result.stderr.contains("pass fewer items to each command (-n)"), "{}", result.stderr);
}

/// The memory of a machine is never free as a whole, so no command starts.
#[test]
fn a_long_wait_for_memory_is_explained() {
    let mut child = start(&["map", "--memfree", &total_memory(), "echo", ":::", "a"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("cordial: no command starts for now: "), "{line}");
    assert!(line.contains(" MiB of memory are free, and --memfree asks for "), "{line}");
    send(&child, Signal::TERM);
    let line = lines.next().unwrap().unwrap();
    assert_eq!(line, "cordial: stopped by SIGTERM: 0 items finished (0 failed), 0 stopped early, 1 not started");
    assert_eq!(finish(child).status, 143);
}
