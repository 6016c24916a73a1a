//! Memory stays the same however much there is to read, to run or to keep.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;

use crate::program::{Place, cordial, finish, send};

/// A few times what an idle debug build takes, and much less than what goes through it.
const MOST: u64 = 48 << 20;
const MUCH: u64 = 128 << 20;

/// Starts the binary with the output of a shell script as its input, which stays open after the script is done.
fn start(script: &str, args: &[&str]) -> (Child, Child, BufReader<ChildStdout>) {
    let script = format!("{script}; exec sleep 1000");
    let mut source = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let input = source.stdout.take().unwrap();
    let mut child = cordial().args(args).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (source, child, output)
}

/// Compares the highest memory of the binary, which is still running, and ends everything.
fn check(mut source: Child, child: Child, name: &str) {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    let peak = peak.parse::<u64>().unwrap() << 10;
    // In this order, so that the end of the input is not what ends the run.
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status, 143);
    source.kill().unwrap();
    source.wait().unwrap();
    assert!(peak < MOST, "{name}: {} MiB", peak >> 20);
}

#[test]
fn endless_input() {
    let (source, child, mut output) = start("yes", &["map", "-c", "2", "--", "echo"]);
    let mut text = [0; 600];
    output.read_exact(&mut text).unwrap();
    assert_eq!(text, *b"y\n".repeat(300));
    check(source, child, "endless input");
}

#[test]
fn a_huge_line() {
    let (source, child, mut output) =
        start(&format!("head -c {MUCH} /dev/zero; echo; echo next"), &["map", "--", "echo"]);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "next\n");
    check(source, child, "a huge line");
}

#[test]
fn a_huge_output() {
    let (source, child, mut output) = start("echo a", &["map", "--", "sh", "-c", &format!("head -c {MUCH} /dev/zero")]);
    let n = io::copy(&mut output.by_ref().take(MUCH), &mut io::sink()).unwrap();
    assert_eq!(n, MUCH);
    check(source, child, "a huge output");
}

#[test]
fn many_large_outputs_behind_a_slow_item() {
    // All the others are over and wait for the first; together they hold much more than is allowed in memory.
    let script = format!(
        r#"[ $1 = 1 ] || exec head -c {} /dev/zero; while [ ! -e "$2/25" ]; do sleep 0.01; done; echo first"#,
        MUCH / 16
    );
    let place = Place::new();
    let script = format!(r#"touch "$2/$1"; {script}"#);
    let (source, child, mut output) =
        start("seq 100", &["map", "-c", "8", "--", "sh", "-c", &script, "sh", "{}", place.text()]);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    check(source, child, "many large outputs");
}
