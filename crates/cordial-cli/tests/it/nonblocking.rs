//! Standard streams with `O_NONBLOCK`: a parent that uses them for its own event loop, such as a server in Node.js, sets the flag
//! for its children too. All input is read, and all output is written, as without the flag.
#![cfg(target_os = "linux")]

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::pipe::fcntl_setpipe_size;

use crate::harness::{cordial, wait_until};

/// The capacity of a pipe in bytes: as small as the system makes one.
const CAPACITY: usize = 4096;

/// Returns a small pipe whose writing end does not block.
fn small_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    fcntl_setpipe_size(&writer, CAPACITY).unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    (reader, writer)
}

/// Reads the rest of a pipe, after the program has found it full: it holds as many bytes after a while as before.
fn read_when_full(mut pipe: &PipeReader) -> String {
    let n_bytes = || ioctl_fionread(pipe).unwrap();
    wait_until("the pipe is full", || {
        let before = n_bytes();
        thread::sleep(Duration::from_millis(20));
        before > 0 && before == n_bytes()
    });
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

/// What an item prints to each stream: more than a pipe holds.
fn printed(item: &str, stream: &str) -> String {
    format!("{item} {stream}\n").repeat(1000)
}

const PRINT: &str =
    r#"i=0; while [ $i -lt 1000 ]; do echo "$1 out"; echo "$1 err" >&2; i=$((i + 1)); done; [ "$1" != b ]"#;

#[test]
fn streams_that_do_not_block_lose_nothing() {
    for options in [&[][..], &["--unordered"], &["--line-buffer", "-c1"]] {
        let (stdin, mut items) = std::io::pipe().unwrap();
        ioctl_fionbio(&stdin, true).unwrap();
        let ((stdout, out), (stderr, err)) = (small_pipe(), small_pipe());
        let mut child = cordial()
            .args(["map", "-c1"].iter().chain(options).chain(&["sh", "-c", PRINT, "sh"]))
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .spawn()
            .unwrap();
        let (out, err) = thread::scope(|scope| {
            let out = scope.spawn(|| read_when_full(&stdout));
            let err = scope.spawn(|| read_when_full(&stderr));
            // The program finds the pipe empty before each item.
            for item in ["a\n", "b\n", "c\n"] {
                items.write_all(item.as_bytes()).unwrap();
                wait_until("the item was read", || ioctl_fionread(&items).unwrap() == 0);
            }
            drop(items);
            (out.join().unwrap(), err.join().unwrap())
        });
        assert_eq!(child.wait().unwrap().code(), Some(1), "{options:?}: one item has failed");
        let expected = |stream| ["a", "b", "c"].map(|item| printed(item, stream)).concat();
        // Compared without showing them: each has thousands of lines.
        assert!(out == expected("out"), "{options:?}: {} bytes", out.len());
        let (err, messages): (Vec<&str>, Vec<&str>) = err.lines().partition(|line| line.ends_with(" err"));
        assert!(err.join("\n") + "\n" == expected("err"), "{options:?}: {} lines", err.len());
        let is_summary = |line: &&str| line.starts_with("cordial: 1 of 3 items failed");
        assert!(messages.iter().any(is_summary), "{options:?}: {messages:?}");
    }
}

#[test]
fn help_and_the_manual_are_written_whole_to_a_stream_that_does_not_block() {
    for args in [&["manual"][..], &["completions", "bash"], &["map", "--help", "all"]] {
        let expected = cordial().args(args).output().unwrap();
        assert!(expected.stdout.len() > CAPACITY, "{args:?}");
        let (stdout, out) = small_pipe();
        let mut child = cordial().args(args).stdout(Stdio::from(out)).spawn().unwrap();
        let text = read_when_full(&stdout);
        assert!(child.wait().unwrap().success());
        assert!(text.as_bytes() == expected.stdout, "{args:?}: {} bytes", text.len());
    }
}
