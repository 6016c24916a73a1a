//! Memory does not grow with the input, the number of items or the size of outputs.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;

use crate::harness::{TestDir, cordial, finish, send};

/// The allowed peak in bytes: a few times that of an idle debug build, and much less than `DATA`.
const MAX_PEAK: u64 = 48 << 20;
/// The bytes that pass through the program.
const DATA: u64 = 128 << 20;

/// Starts the binary with the output of a shell script as its input, which stays open after the script has ended.
fn start(script: &str, args: &[&str]) -> (Child, Child, BufReader<ChildStdout>) {
    let script = format!("{script}; exec sleep 1000");
    let mut source = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let input = source.stdout.take().unwrap();
    let mut child = cordial().args(args).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (source, child, output)
}

/// Checks the peak memory of the binary, which is still running, and stops both processes.
fn check(mut source: Child, child: Child, name: &str) {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    let peak = peak.parse::<u64>().unwrap() << 10;
    // The binary is stopped first, so that the run is ended by the signal and not by the end of its input.
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status, 143);
    source.kill().unwrap();
    source.wait().unwrap();
    assert!(peak < MAX_PEAK, "{name}: {} MiB", peak >> 20);
}

#[test]
fn endless_input_is_not_kept_in_memory() {
    let (source, child, mut output) = start("yes", &["map", "-c", "2", "--", "echo"]);
    let mut text = [0; 600];
    output.read_exact(&mut text).unwrap();
    assert_eq!(text, *b"y\n".repeat(300));
    check(source, child, "endless input");
}

#[test]
fn a_huge_line_is_not_kept_in_memory() {
    let (source, child, mut output) =
        start(&format!("head -c {DATA} /dev/zero; echo; echo next"), &["map", "--", "echo"]);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "next\n");
    check(source, child, "a huge line");
}

#[test]
fn a_huge_output_is_not_kept_in_memory() {
    let (source, child, mut output) = start("echo a", &["map", "--", "sh", "-c", &format!("head -c {DATA} /dev/zero")]);
    let n = io::copy(&mut output.by_ref().take(DATA), &mut io::sink()).unwrap();
    assert_eq!(n, DATA);
    check(source, child, "a huge output");
}

#[test]
fn a_long_tag_of_many_empty_lines_is_not_kept_in_memory() {
    let item = "x".repeat(8000);
    let args = ["map", "--tag", "--", "sh", "-c", "head -c 16000 /dev/zero | tr '\\0' '\\n'", "sh"];
    let (source, child, mut output) = start(&format!("echo {item}"), &args);
    // The tag, a tab, and the end of the line.
    let length = 16_000 * (8000 + 2);
    assert_eq!(io::copy(&mut output.by_ref().take(length), &mut io::sink()).unwrap(), length);
    check(source, child, "a long tag");
}

#[test]
fn the_only_block_of_a_file_is_not_kept_in_memory() {
    let dir = TestDir::new();
    let file = fs::File::create(dir.path("zeros")).unwrap();
    // The rest of the file is a hole.
    file.write_all_at(b"\n", DATA - 1).unwrap();
    let path = dir.path("zeros");
    let options = ["map", "--pipe-part", "-a", path.to_str().unwrap(), "--block", "-1", "-c", "1", "--line-buffer"];
    let (source, child, mut output) =
        start("true", &[&options[..], &["--", "sh", "-c", "wc -c; exec sleep 1000"]].concat());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), DATA.to_string());
    check(source, child, "the only block of a file");
}

#[test]
fn a_block_of_a_file_is_not_read_to_find_the_long_record_at_its_end() {
    let dir = TestDir::new();
    let path = dir.path("zeros");
    let file = fs::File::create(&path).unwrap();
    let lengths = [DATA - (200 << 10), 400 << 10];
    // The rest of the file is a hole.
    file.write_all_at(b"\n", lengths[0] - 1).unwrap();
    file.write_all_at(b"\n", lengths[0] + lengths[1] - 1).unwrap();
    let block = DATA.to_string();
    let options = ["map", "--pipe-part", "-a", path.to_str().unwrap(), "--block", &block, "-c", "2", "--line-buffer"];
    let (source, child, mut output) =
        start("true", &[&options[..], &["--", "sh", "-c", "wc -c; exec sleep 1000"]].concat());
    let mut lines = String::new();
    (0..2).for_each(|_| assert!(output.read_line(&mut lines).unwrap() > 0));
    let mut read: Vec<u64> = lines.split_whitespace().map(|bytes| bytes.parse().unwrap()).collect();
    read.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(read, lengths);
    check(source, child, "the long record at the end of a block");
}

#[test]
fn outputs_that_wait_for_a_slow_item_are_not_kept_in_memory() {
    // The outputs of the other items wait for that of the first. Together they are much larger than the limit.
    let script = format!(
        r#"[ $1 = 1 ] || exec head -c {} /dev/zero; while [ ! -e "$2/25" ]; do sleep 0.01; done; echo first"#,
        DATA / 16
    );
    let dir = TestDir::new();
    let script = format!(r#"touch "$2/$1"; {script}"#);
    let (source, child, mut output) =
        start("seq 100", &["map", "-c", "8", "--", "sh", "-c", &script, "sh", "{}", dir.text()]);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    check(source, child, "many large outputs");
}
