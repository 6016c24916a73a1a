//! Compares `cordial map` with `xargs` and GNU parallel on inputs for which all should agree. Without parallel, its tests say
//! so and check nothing.

use std::process::{Command, Stdio};

use crate::harness::{at_once, file, has_parallel, run, temporary_directory};

struct ProgramOutput {
    status: i32,
    stdout: Vec<u8>,
}

/// Runs another program than ours.
fn run_other(program: &str, args: &[&str], input: &[u8]) -> ProgramOutput {
    let mut command = Command::new(program);
    command.args(args).stdin(file(input)).stderr(Stdio::null()).env("HOME", std::env::temp_dir());
    let output = command.output().unwrap();
    ProgramOutput { status: output.status.code().unwrap(), stdout: output.stdout }
}

#[test]
fn xargs_has_the_same_output_and_status() {
    let lines: String = (1..=300).map(|n| format!("line {n}\n")).collect();
    let nul = lines.replace('\n', "\0");
    let long = lines.repeat(100);
    let cases = [
        (&["-d", "\\n", "-n1", "echo"][..], &["echo"][..], lines.as_bytes()),
        (&["-d", "\\n", "-n7", "echo", "x"], &["-n7", "echo", "x"], lines.as_bytes()),
        (&["-0", "-n1", "echo"], &["-0", "echo"], nul.as_bytes()),
        (&["-0", "-n", "3", "echo"], &["-0", "-n", "3", "echo"], nul.as_bytes()),
        (&["-d", ",", "-n1", "printf", "<%s>"], &["-d", ",", "printf", "<%s>"], b"a,b,,c"),
        (&["-d", "\\n", "-I", "X", "echo", "aXbX"], &["-I", "X", "echo", "aXbX"], b"1\n2 3\n"),
        (&["-r", "-d", "\\n", "-n1", "echo"], &["-r", "echo"], b""),
        (&["-d", "\\n", "-n1", "cat"], &["cat"], b"/dev/null\n"),
        (&["echo"], &["--words", "--xargs", "echo"], b"a 'b  c'\n\n d\\ e\n"),
        (&["-n2", "echo"], &["--words", "-n2", "echo"], b"a b c\nd\n"),
        (&["-L2", "echo"], &["--words", "-L2", "echo"], b"a b\n\nc \nd\ne\n"),
        (&["-I@", "echo", "<@>"], &["--words", "-I@", "echo", "<@>"], b"  a 'b  c' \n\nd\n"),
        (&["-i", "echo", "x"], &["-i", "echo", "x"], b"a\nb\n"),
        (&["-E", "b", "echo"], &["--words", "--xargs", "-E", "b", "echo"], b"a\nb\nc\n"),
        (&["-s", "20", "echo"], &["--words", "--xargs", "-s", "20", "echo"], b"1 2 3 4 5 6 7 8 9 10 11"),
        (&["-d", "\\n", "echo"], &["--xargs", "echo"], long.as_bytes()),
    ];
    at_once(4, cases, |(theirs, ours, input)| {
        let theirs = run_other("xargs", theirs, input);
        let ours = run(&[&["map"], ours].concat(), input);
        assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.stdout.escape_ascii().to_string());
        assert_eq!((ours.status, ours.stderr.as_str()), (theirs.status, ""));
    });
}

#[test]
fn gnu_parallel_has_the_same_output_and_status() {
    let lines: String = (1..=30).map(|n| format!("line{n}.txt\n")).collect();
    let ten = &b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"[..];
    let paths = b"a/b.c\nx.tar.gz\n/r\n.hid\na/\n//a//b\na.\n";
    if !has_parallel() {
        return;
    }
    let cases = [
        (&["-k", "echo"][..], &["-k", "echo"][..], lines.as_bytes()),
        (&["-k", "echo {} {.} {/} {//} {/.} {#}"], &["echo", "{}", "{.}", "{/}", "{//}", "{/.}", "{#}"], paths),
        (&["-k", "echo", "{#}"], &["echo", "{#}"], lines.as_bytes()),
        (&["-k", "-N2", "echo", "pre{}post"], &["-N2", "echo", "pre{}post"], b"1\n2\n3\n"),
        (&["-k", "--tag", "echo a; echo {}"], &["--tag", "--shell", "echo a; echo {}"], lines.as_bytes()),
        (&["-k", "echo", ":::", "a", "b", ":::", "1", "2"], &["echo", ":::", "a", "b", ":::", "1", "2"], b""),
        (&["-k", "-0", "echo"], &["-0", "echo"], b"a\0b\0"),
        (&["-j1", "echo", "{%}", "{}"], &["-j1", "echo", "{%}", "{}"], lines.as_bytes()),
        (&["-k", "-I", ",,", "echo ,, {}"], &["-I", ",,", "echo", ",,", "{}"], b"a\nb\n"),
        (
            &["-k", "echo", "{2}-{1/.}", "{-1}", ":::", "a/b.c", ":::", "x", "y"],
            &["echo", "{2}-{1/.}", "{-1}", ":::", "a/b.c", ":::", "x", "y"],
            b"",
        ),
        (&["-k", "echo", "x{}y", ":::", "a", ":::", "x", "y"], &["echo", "x{}y", ":::", "a", ":::", "x", "y"], b""),
        (
            &["-k", "echo", ":::", "a", "b", ":::+", "1", "2", ":::", "x", "y"],
            &["echo", ":::", "a", "b", ":::+", "1", "2", ":::", "x", "y"],
            b"",
        ),
        (
            &["-k", "--link", "echo", ":::", "a", "b", "c", ":::", "1", "2"],
            &["--link", "echo", ":::", "a", "b", "c", ":::", "1", "2"],
            b"",
        ),
        (
            &["-k", "--colsep", "[,;] ?", "echo", "{2}:{1.}:{3}"],
            &["--colsep", "[,;] ?", "echo", "{2}:{1.}:{3}"],
            b"a.b, c;d\n,x\ny\n\n",
        ),
        (
            &["-k", "--header", ":", "--colsep", ",", "echo", "{b/}-{a}"],
            &["--header", ":", "--colsep", ",", "echo", "{b/}-{a}"],
            b"a,b\n1,x/y\n",
        ),
        (
            &["-k", "--plus", "echo", "{..}", "{+/}", "{/..}", "{+.}", "{+..}"],
            &["--plus", "echo", "{..}", "{+/}", "{/..}", "{+.}", "{+..}"],
            b"a/b.c.d\nx.y/z\n",
        ),
        (&["-k", "echo", "{1\n}", "{1 .}", "{-1 }", "{ 1}"], &["echo", "{1\n}", "{1 .}", "{-1 }", "{ 1}"], b"a/b.c\n"),
        (&["-k", "-j1", "-s20", "-X", "echo", "x{}"], &["-j1", "-s20", "-X", "echo", "x{}"], ten),
        (&["-k", "-j1", "-s30", "-X", "true; echo {}"], &["-j1", "-s30", "-X", "true; echo {}"], ten),
        (&["-k", "--trim", "lr", "echo", "[{}]"], &["--trim", "lr", "echo", "[{}]"], b" a \n"),
        (&["-k", "-j4", "-X", "echo", "x{}y"], &["-j4", "-X", "echo", "x{}y"], ten),
        (&["-k", "-L2", "echo", "{1}-{2}"], &["-L2", "echo", "{1}-{2}"], b"a \nb\nc\nd\n"),
        (&["-k", "-E", "x", "echo"], &["-E", "x", "echo"], b"a\nx\nb\n"),
        (&["-k", "-N0", "echo", "x"], &["-N0", "echo", "x"], b"a\nb\n"),
        (&["-k", "-I,,", "echo", ",,", "{1}", "{.}"], &["-I,,", "echo", ",,", "{1}", "{.}"], b"a.b\n"),
        (
            &["-k", "echo \"$(basename {} .txt)\" $((1 + {#}))"],
            &["--shell", "echo \"$(basename {} .txt)\" $((1 + {#}))"],
            b"x/y.txt\n",
        ),
        (&["-j1", "echo $PARALLEL_SEQ $PARALLEL_JOBSLOT"], &["-j1", "echo $PARALLEL_SEQ $PARALLEL_JOBSLOT"], b"a\nb\n"),
        (&["-k", "exit"], &["--shell", "exit"], b"0\n1\n2\n3\n"),
        (&["-k", "--quote", "printf", "<%s>"], &["printf", "<%s>"], b"a  b\n$x\n\n'\n"),
        (&["-k", "--dry-run", "echo", "x{}"], &["--dry-run", "echo", "x{}"], b"a\nb c\n"),
    ];
    at_once(4, cases, |(theirs, ours, input)| {
        let theirs = run_other("parallel", theirs, input);
        let ours = run(&[&["map"], ours].concat(), input);
        assert_eq!(ours.stdout.escape_ascii().to_string(), theirs.stdout.escape_ascii().to_string());
        assert_eq!(ours.status, theirs.status);
    });
}

#[test]
fn gnu_parallel_resumes_from_our_joblog() {
    if !has_parallel() {
        return;
    }
    let dir = temporary_directory();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let result = run(&["map", "--joblog", log, "--shell", "test {} != 2"], b"1\n2\n");
    assert_eq!(result.status, 1);
    let again = ["-k", "--joblog", log, "--resume-failed", "echo {}"];
    let theirs = run_other("parallel", &again, b"1\n2\n3\n");
    assert_eq!(String::from_utf8(theirs.stdout).unwrap(), "2\n3\n");
}
