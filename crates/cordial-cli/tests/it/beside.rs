//! `xargs` and GNU parallel beside us, on the same inputs, where they agree with us. Parallel is not on every machine: where it is missing,
//! its tests say so.

use std::process::{Command, Stdio};

use crate::program::{file, run};

struct Answer {
    status: i32,
    stdout: Vec<u8>,
}

/// `None` if there is no such program.
fn ask(program: &str, args: &[&str], input: &[u8]) -> Option<Answer> {
    let mut command = Command::new(program);
    command.args(args).stdin(file(input)).stderr(Stdio::null()).env("HOME", std::env::temp_dir());
    let output = command.output().ok()?;
    Some(Answer { status: output.status.code().unwrap(), stdout: output.stdout })
}

#[expect(clippy::print_stderr, reason = "a test that is not run says so")]
fn skipped() {
    eprintln!("SKIPPED: there is no parallel on this machine");
}

#[test]
fn xargs_gives_the_same() {
    let lines: String = (1..=300).map(|n| format!("line {n}\n")).collect();
    let nul = lines.replace('\n', "\0");
    for (theirs, ours, input) in [
        (&["-d", "\\n", "-n1", "echo"][..], &["echo"][..], lines.as_bytes()),
        (&["-d", "\\n", "-n7", "echo", "x"], &["-n7", "echo", "x"], lines.as_bytes()),
        (&["-0", "-n1", "echo"], &["-0", "echo"], nul.as_bytes()),
        (&["-0", "-n", "3", "echo"], &["-0", "-n", "3", "echo"], nul.as_bytes()),
        (&["-d", ",", "-n1", "printf", "<%s>"], &["-d", ",", "printf", "<%s>"], b"a,b,,c"),
        (&["-d", "\\n", "-I", "X", "echo", "aXbX"], &["-I", "X", "echo", "aXbX"], b"1\n2 3\n"),
        (&["-r", "-d", "\\n", "-n1", "echo"], &["-r", "echo"], b""),
        (&["-d", "\\n", "-n1", "cat"], &["cat"], b"/dev/null\n"),
    ] {
        let theirs = ask("xargs", theirs, input).expect("xargs is everywhere");
        let ours = run(&[&["map"], ours].concat(), input);
        assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.stdout.escape_ascii().to_string());
        assert_eq!((ours.status, ours.stderr.as_str()), (theirs.status, ""));
    }
}

#[test]
fn gnu_parallel_gives_the_same() {
    let lines: String = (1..=30).map(|n| format!("line{n}.txt\n")).collect();
    let paths = b"a/b.c\nx.tar.gz\n/r\n.hid\na/\n//a//b\na.\n";
    for (theirs, ours, input) in [
        (&["-k", "echo"][..], &["-k", "echo"][..], lines.as_bytes()),
        (&["-k", "echo {} {.} {/} {//} {/.} {#}"], &["echo", "{}", "{.}", "{/}", "{//}", "{/.}", "{#}"], paths),
        (&["-k", "echo", "{#}"], &["echo", "{#}"], lines.as_bytes()),
        (&["-k", "-N2", "echo", "pre{}post"], &["-N2", "echo", "pre{}post"], b"1\n2\n3\n"),
        (&["-k", "--tag", "echo a; echo {}"], &["--tag", "--shell", "echo a; echo {}"], lines.as_bytes()),
        (&["-k", "echo", ":::", "a", "b", ":::", "1", "2"], &["echo", ":::", "a", "b", ":::", "1", "2"], b""),
        (&["-k", "-0", "echo"], &["-0", "echo"], b"a\0b\0"),
        (&["-j1", "echo", "{%}", "{}"], &["-j1", "echo", "{%}", "{}"], lines.as_bytes()),
        (&["-k", "-I", ",,", "echo ,, {}"], &["-I", ",,", "echo", ",,", "{}"], b"a\nb\n"),
        (&["-k", "exit"], &["--shell", "exit"], b"0\n1\n2\n3\n"),
        (&["-k", "--quote", "printf", "<%s>"], &["printf", "<%s>"], b"a  b\n$x\n\n'\n"),
        (&["-k", "--dry-run", "echo", "x{}"], &["--dry-run", "echo", "x{}"], b"a\nb c\n"),
    ] {
        let Some(theirs) = ask("parallel", theirs, input) else {
            skipped();
            return;
        };
        let ours = run(&[&["map"], ours].concat(), input);
        assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.stdout.escape_ascii().to_string());
        assert_eq!(ours.status, theirs.status);
    }
}

#[test]
fn gnu_parallel_reads_our_joblog() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let log = log.to_str().unwrap();
    let ran = run(&["map", "--joblog", log, "--shell", "test {} != 2"], b"1\n2\n");
    assert_eq!(ran.status, 1);
    let again = ["-k", "--joblog", log, "--resume-failed", "echo {}"];
    let Some(theirs) = ask("parallel", &again, b"1\n2\n3\n") else {
        skipped();
        return;
    };
    assert_eq!(String::from_utf8(theirs.stdout).unwrap(), "2\n3\n");
}
