//! Failed items: a message for each, a count in the exit status, and no effect on other items.

#[cfg(target_os = "linux")]
use std::io::{self, Read};
use std::process::Stdio;
#[cfg(target_os = "linux")]
use std::thread;
#[cfg(target_os = "linux")]
use std::time::Duration;

use crate::harness::{Case, check, cordial, file, finish, run};

#[test]
fn a_failure_message_names_item_command_and_reason() {
    check(&[
        Case {
            args: &["map", "--", "sh", "-c", "exit $1", "sh"],
            input: b"0\n3\n0\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 2 \"3\" failed: sh -c \"exit $1\" sh: exited with status 3\ncordial: 1 of 3 items failed\n",
        },
        Case {
            args: &["map", "--", "sh", "-c", "kill -$1 $$", "sh"],
            input: b"SEGV\nKILL\n",
            status: 2,
            stdout: b"",
            stderr: "cordial: item 1 \"SEGV\" failed: sh -c \"kill -$1 $$\" sh: was killed by signal 11 (SIGSEGV)\n\
                     cordial: item 2 \"KILL\" failed: sh -c \"kill -$1 $$\" sh: was killed by signal 9 (SIGKILL)\n\
                     cordial: 2 of 2 items failed\n",
        },
        Case {
            args: &["map", "--", "{}", "-l"],
            input: b"no-such-command\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"no-such-command\" failed: {} -l: cannot be started: No such file or directory; check that \"no-such-command\" is installed and in PATH\n\
                     cordial: 1 of 1 item failed\n",
        },
        // GNU parallel would give the item to a shell.
        Case {
            args: &["map", "l{}"],
            input: b"s /bin/ls\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"s /bin/ls\" failed: l{}: cannot be started: No such file or directory; \"ls /bin/ls\" is taken as the \
                     name of one program, because items are not split into words: without a command, each item is a line for the shell\n\
                     cordial: 1 of 1 item failed\n",
        },
    ]);
}

#[test]
fn an_item_with_control_characters_is_shown_on_one_line() {
    check(&[
        Case {
            args: &["map", "--", "false"],
            input: b"a\xffb\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"a\u{fffd}b\" failed: false: exited with status 1\ncordial: 1 of 1 item failed\n",
        },
        Case {
            args: &["map", "--", "false"],
            input: b"\x1b[2Ja\rb\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"\\u{1b}[2Ja\\rb\" failed: false: exited with status 1\ncordial: 1 of 1 item failed\n",
        },
    ]);
}

#[test]
fn the_output_of_a_failed_item_is_printed() {
    check(&[Case {
        args: &["map", "--", "sh", "-c", "echo out $1; echo err $1 >&2; exit 1", "sh"],
        input: b"a\n",
        status: 1,
        stdout: b"out a\n",
        stderr: "err a\ncordial: item 1 \"a\" failed: sh -c \"echo out $1; echo err $1 >&2; exit 1\" sh: exited with status 1\ncordial: 1 of 1 item failed\n",
    }]);
}

#[test]
fn the_exit_status_counts_failures_up_to_101() {
    for (items, status) in [(0, 0), (1, 1), (100, 100), (101, 101), (120, 101)] {
        let result = run(&["map", "--", "false"], "x\n".repeat(items).as_bytes());
        assert_eq!((result.status, result.stderr.lines().count()), (status, if items == 0 { 0 } else { items + 1 }));
    }
}

#[test]
fn output_that_cannot_be_stored_fails_only_its_item() {
    let child = cordial()
        .args(["map", "--", "sh", "-c", "[ $1 = small ] || yes; echo $1", "sh"])
        .env("TMPDIR", "/no/such/directory")
        .stdin(file(b"small\nlarge\nsmall\n"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let result = finish(child);
    assert_eq!(result.status, 1);
    assert!(result.stdout.starts_with(b"small\ny\ny\n") && result.stdout.ends_with(b"y\nsmall\n"));
    let reason = "cannot read its output, or store it in a temporary file in /no/such/directory: No such file or directory; set TMPDIR to a directory with free space\n";
    assert!(result.stderr.starts_with("cordial: item 2 \"large\" failed: sh -c "), "{}", result.stderr);
    assert!(result.stderr.contains(reason), "{}", result.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn the_summary_waits_for_a_slow_reader() {
    let (mut reader, writer) = io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 1).unwrap();
    // One page.
    let capacity = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    let map = |size: usize, stderr: Stdio| {
        let script = r#"head -c "$SIZE" /dev/zero | tr '\0' x >&2; exit 1"#;
        let mut command = cordial();
        command.args(["map", "sh", "-c", script, ":::", "a"]).env("SIZE", size.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap()
    };
    let messages = finish(map(0, Stdio::piped())).stderr;
    let (failure, summary) = messages.split_once('\n').unwrap();
    // The output and the message about the failure fill the pipe several times, and leave no room for the summary.
    let child = map(4 * capacity - failure.len() - 1, writer.into());
    reader.read_exact(&mut vec![0; 3 * capacity]).unwrap();
    thread::sleep(Duration::from_millis(2500));
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8_lossy(&rest[capacity..]), summary);
    assert_eq!(finish(child).status, 1);
}
