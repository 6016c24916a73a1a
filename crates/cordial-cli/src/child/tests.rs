#![cfg(unix)]

use std::ffi::OsString;
use std::fs;
use std::future::poll_fn;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::io::ReadBuf;
use tokio::task::yield_now;

use super::*;
use crate::command::Template;
use crate::item::Line;

fn sh(script: &str) -> CommandLine {
    line(&["sh", "-c", script, "sh", "{}"])
}

fn line(words: &[&str]) -> CommandLine {
    Template::new(words.iter().map(OsString::from).collect()).fill(Line::Whole(b"item".to_vec())).unwrap()
}

async fn text(capture: Capture) -> String {
    let mut bytes = Vec::new();
    capture.copy_to(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn check(command: CommandLine, limit: Option<Duration>, complaint: &str, stdout: &str, stderr: &str) {
    let ended = run(&command, limit).await;
    let told = ended.outcome.err().map(|failure| failure.to_string()).unwrap_or_default();
    assert_eq!(
        (told.as_str(), text(ended.stdout).await.as_str(), text(ended.stderr).await.as_str()),
        (complaint, stdout, stderr),
        "{command:?}"
    );
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

/// Whether a process has ended. One that nobody has waited for yet has ended all the same.
fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_zombie = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    is_zombie || test_kill_process(pid).is_err()
}

/// Waits for something to become so. The time is for the case that it never does.
async fn wait_until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            yield_now().await;
        }
    };
    time::timeout(Duration::from_secs(60), waiting).await.unwrap();
}

/// A command that starts another and waits for it for ever, and the file in which the pids of both stand once they run.
fn family(directory: &Path) -> (CommandLine, PathBuf) {
    let pids = directory.join("pids");
    (sh(&format!("sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", pids.display())), pids)
}

async fn wait_until_all_gone(pids: &Path) {
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2);
    for each in pids.split_whitespace() {
        wait_until(|| is_gone(pid(each))).await;
    }
}

#[tokio::test]
async fn each_ending_has_its_sentence() {
    check(sh("echo out; echo err >&2"), None, "", "out\n", "err\n").await;
    check(sh("echo out; exit 3"), None, "ended with status 3", "out\n", "").await;
    check(sh("kill -SEGV $$"), None, "was ended by signal 11 (SIGSEGV)", "", "").await;
    check(sh("echo $1; cat"), None, "", "item\n", "").await;
    check(line(&["true"]), Some(Duration::MAX), "", "", "").await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why_and_what_to_do() {
    for (words, complaint) in [
        (
            &["no-such-command"][..],
            r#"cannot be started: No such file or directory; is "no-such-command" installed and in PATH?"#,
        ),
        (
            &["wc -l"],
            r#"cannot be started: No such file or directory; "wc -l" is one word: leave out the quotes, or run it with sh -c"#,
        ),
        (
            &["/no/such/command"],
            r#"cannot be started: No such file or directory; does "/no/such/command" exist, and the interpreter that its first line names?"#,
        ),
        (
            &["/etc/passwd"],
            r#"cannot be started: Permission denied; is "/etc/passwd" a program that you may run (chmod +x)?"#,
        ),
        (&[""], r#"cannot be started: No such file or directory; is "" installed and in PATH?"#),
    ] {
        check(line(words), None, complaint, "", "").await;
    }
}

#[tokio::test]
async fn a_limit_kills_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let (command, pids) = family(directory.path());
    let limit = Duration::from_secs(3600);
    let mut running = pin!(run(&command, Some(limit)));
    tokio::select! {
        _ = &mut running => panic!("it waits for ever"),
        () = wait_until(|| pids.exists()) => {}
    }
    time::pause();
    time::advance(limit).await;
    time::resume();
    assert_eq!(running.await.outcome.unwrap_err().to_string(), "took longer than 1h and was killed with its children");
    wait_until_all_gone(&pids).await;
}

#[tokio::test]
async fn dropping_the_future_kills_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let (command, pids) = family(directory.path());
    tokio::select! {
        _ = run(&command, None) => panic!("it waits for ever"),
        () = wait_until(|| pids.exists()) => {}
    }
    wait_until_all_gone(&pids).await;
}

#[tokio::test]
async fn a_background_child_does_not_hold_up_its_item_and_is_left_alone() {
    let ended = run(&sh("sleep 1000 & echo $!; echo before the end >&2"), None).await;
    assert!(ended.outcome.is_ok());
    assert_eq!(text(ended.stderr).await, "before the end\n");
    let child = pid(&text(ended.stdout).await);
    assert!(!is_gone(child));
    kill_process(child, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_background_child_that_never_stops_writing_does_not_hold_up_its_item() {
    let ended = run(&sh("yes & echo $! >&2"), None).await;
    kill_process(pid(&text(ended.stderr).await), Signal::KILL).unwrap();
    assert!(ended.outcome.is_ok());
}

#[tokio::test]
async fn all_of_a_large_output_arrives() {
    let ended = run(&sh("seq 300000; seq 300000 >&2"), None).await;
    let expected: String = (1..=300_000).map(|n| format!("{n}\n")).collect();
    assert!(text(ended.stdout).await == expected && text(ended.stderr).await == expected);
}

#[tokio::test]
async fn a_command_that_closes_its_outputs_is_still_waited_for() {
    check(sh("exec >&- 2>&-; sleep 0.1; exit 7"), None, "ended with status 7", "", "").await;
}

#[tokio::test]
async fn what_a_pipe_holds_is_read_without_tokio_and_without_waiting() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"held").unwrap();
    let mut read = Vec::new();
    system::read_available(&reader, |bytes| {
        read.extend_from_slice(bytes);
        // More arrives while it reads, and is not waited for.
        writer.write_all(b"later")
    })
    .unwrap();
    assert_eq!(read, b"held");
    let mut rest = [0; 5];
    reader.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"later");
}

/// A pipe of whose content tokio's driver has not heard.
struct Unheard(PipeReader);

impl AsyncRead for Unheard {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsFd for Unheard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_pipes_hold_after_the_grace_is_not_lost() {
    let (stdout, mut to_stdout) = io::pipe().unwrap();
    let (stderr, mut to_stderr) = io::pipe().unwrap();
    to_stdout.write_all(b"out").unwrap();
    to_stderr.write_all(b"err").unwrap();
    let (mut stdout, mut stderr) = (Pipe::new(Some(Unheard(stdout))), Pipe::new(Some(Unheard(stderr))));
    finish(&mut stdout, &mut stderr).await.unwrap();
    // The other ends are still open.
    drop((to_stdout, to_stderr));
    assert_eq!((text(stdout.capture).await.as_str(), text(stderr.capture).await.as_str()), ("out", "err"));
}

#[tokio::test]
async fn an_output_that_is_always_ready_is_not_read_in_one_poll() {
    // It ends some time, so that this test ends too when it fails.
    let endless = tokio::io::repeat(b'y').take(1 << 24);
    let mut pipe = Pipe::new(Some(endless));
    let polled = {
        // Without tokio's own budget: the runtime that polls us may have none.
        let mut fill = pin!(tokio::task::coop::unconstrained(pipe.fill()));
        poll_fn(|cx| Poll::Ready(fill.as_mut().poll(cx))).await
    };
    assert!(polled.is_pending());
    assert_eq!(text(pipe.capture).await.len(), IN_ONE_GO * BLOCK);
}
