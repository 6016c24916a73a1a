//! Failures: one line each, counted in the status, and no harm to the others.

use std::process::Stdio;

use crate::program::{Case, check, cordial, file, finish, run};

#[test]
fn a_failure_is_a_line_with_item_command_and_reason() {
    check(&[
        Case {
            args: &["map", "--", "sh", "-c", "exit $1", "sh"],
            input: b"0\n3\n0\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 2 \"3\" failed: sh -c \"exit $1\" sh 3: ended with status 3\ncordial: 1 of 3 items failed\n",
        },
        Case {
            args: &["map", "--", "sh", "-c", "kill -$1 $$", "sh"],
            input: b"SEGV\nKILL\n",
            status: 2,
            stdout: b"",
            stderr: "cordial: item 1 \"SEGV\" failed: sh -c \"kill -$1 $$\" sh SEGV: was ended by signal 11 (SIGSEGV)\n\
                     cordial: item 2 \"KILL\" failed: sh -c \"kill -$1 $$\" sh KILL: was ended by signal 9 (SIGKILL)\n\
                     cordial: 2 of 2 items failed\n",
        },
        Case {
            args: &["map", "--", "{}", "-l"],
            input: b"no-such-command\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"no-such-command\" failed: no-such-command -l: cannot be started: No such file or directory; is \"no-such-command\" installed and in PATH?\n\
                     cordial: 1 of 1 item failed\n",
        },
    ]);
}

#[test]
fn a_strange_item_is_shown_on_one_line() {
    check(&[
        Case {
            args: &["map", "--", "false"],
            input: b"a\xffb\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"a\u{fffd}b\" failed: false a\u{fffd}b: ended with status 1\ncordial: 1 of 1 item failed\n",
        },
        Case {
            args: &["map", "--", "false"],
            input: b"\x1b[2Ja\rb\n",
            status: 1,
            stdout: b"",
            stderr: "cordial: item 1 \"\\u{1b}[2Ja\\rb\" failed: false \"\\u{1b}[2Ja\\rb\": ended with status 1\ncordial: 1 of 1 item failed\n",
        },
    ]);
}

#[test]
fn a_failed_item_still_shows_what_it_wrote() {
    check(&[Case {
        args: &["map", "--", "sh", "-c", "echo out $1; echo err $1 >&2; exit 1", "sh"],
        input: b"a\n",
        status: 1,
        stdout: b"out a\n",
        stderr: "err a\ncordial: item 1 \"a\" failed: sh -c \"echo out $1; echo err $1 >&2; exit 1\" sh a: ended with status 1\ncordial: 1 of 1 item failed\n",
    }]);
}

#[test]
fn the_status_is_the_number_of_failures_up_to_a_hundred() {
    for (items, status) in [(0, 0), (1, 1), (100, 100), (101, 101), (120, 101)] {
        let ran = run(&["map", "--", "false"], "x\n".repeat(items).as_bytes());
        assert_eq!((ran.status, ran.stderr.lines().count()), (status, if items == 0 { 0 } else { items + 1 }));
    }
}

#[test]
fn output_that_cannot_be_kept_fails_its_item_alone() {
    let child = cordial()
        .args(["map", "--", "sh", "-c", "[ $1 = small ] || yes; echo $1", "sh"])
        .env("TMPDIR", "/no/such/directory")
        .stdin(file(b"small\nlarge\nsmall\n"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ran = finish(child);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.starts_with(b"small\ny\ny\n") && ran.stdout.ends_with(b"y\nsmall\n"));
    let reason = "its output cannot be kept in a file in /no/such/directory: No such file or directory; set TMPDIR to a directory that has room\n";
    assert!(ran.stderr.starts_with("cordial: item 2 \"large\" failed: sh -c "), "{}", ran.stderr);
    assert!(ran.stderr.contains(reason), "{}", ran.stderr);
}
