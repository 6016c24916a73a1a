//! Compares `cordial map` with `xargs` and GNU parallel on inputs for which all should agree. If parallel is not installed, its tests print
//! that they were skipped.

use std::process::{Command, Stdio};

use crate::harness::{file, run};

struct ProgramOutput {
    status: i32,
    stdout: Vec<u8>,
}

/// Runs a program. Returns `None` if it is not installed.
fn run_other(program: &str, args: &[&str], input: &[u8]) -> Option<ProgramOutput> {
    let mut command = Command::new(program);
    command.args(args).stdin(file(input)).stderr(Stdio::null()).env("HOME", std::env::temp_dir());
    let output = command.output().ok()?;
    Some(ProgramOutput { status: output.status.code().unwrap(), stdout: output.stdout })
}

#[expect(clippy::print_stderr, reason = "a skipped test prints a line")]
fn print_skipped() {
    eprintln!("SKIPPED: GNU parallel is not installed");
}

#[test]
fn xargs_has_the_same_output_and_status() {
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
        let theirs = run_other("xargs", theirs, input).expect("every Unix has xargs");
        let ours = run(&[&["map"], ours].concat(), input);
        assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.stdout.escape_ascii().to_string());
        assert_eq!((ours.status, ours.stderr.as_str()), (theirs.status, ""));
    }
}

#[test]
fn gnu_parallel_has_the_same_output_and_status() {
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
        let Some(theirs) = run_other("parallel", theirs, input) else {
            print_skipped();
            return;
        };
        let ours = run(&[&["map"], ours].concat(), input);
        assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.stdout.escape_ascii().to_string());
        assert_eq!(ours.status, theirs.status);
    }
}

#[test]
fn gnu_parallel_resumes_from_our_joblog() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let result = run(&["map", "--joblog", log, "--shell", "test {} != 2"], b"1\n2\n");
    assert_eq!(result.status, 1);
    let again = ["-k", "--joblog", log, "--resume-failed", "echo {}"];
    let Some(theirs) = run_other("parallel", &again, b"1\n2\n3\n") else {
        print_skipped();
        return;
    };
    assert_eq!(String::from_utf8(theirs.stdout).unwrap(), "2\n3\n");
}
