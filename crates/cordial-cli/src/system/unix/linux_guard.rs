//! The guard: a small process beside us that ends what runs when we are killed and can do nothing ourselves.
//!
//! ```text
//! cordial ── pipe: +4711 (a group has started) ─ -4711 (it has ended) ─ 0 (all is over) ──► guard
//!    └ SIGKILL ──► the system closes the pipe ───────────────────────────────────────────► kills the groups that are left
//! ```
//!
//! Between the start of a group and the word about it there is a moment in which we may die. Therefore every command finds the name of
//! its run in its environment, and the guard, once the pipe has closed without the last word, also looks for first processes of groups
//! that have it there. What has left its group for a session of its own (`setsid`) is left alone, as it is when its item ends.
//!
//! The guard is this program once more, with a hidden subcommand, started once in a run and not for each item. It sleeps while nothing
//! starts. While much starts, it empties the pipe a few times a second: a word that is not read yet is not lost, and waking the guard for
//! every word would cost more than writing it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::system::RUN;
use super::pre_exec;

/// The variable of the guard that names the run. It must not find itself.
const GUARDED: &str = "CORDIAL_GUARDED";

/// A pipe holds 16384 words: more than can start in this time.
const BETWEEN_LOOKS: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How often, and at what distance, the guard looks for what it was not told of. The last of them was being started when we died, and
/// needs a moment to become what it was to be.
const LOOKS: u32 = 10;
const LOOK: Duration = Duration::from_millis(40);

/// Starts the guard. It ends by itself when the pipe is closed.
///
/// # Errors
///
/// When the system starts no process.
pub(crate) fn start_guard(run: &str) -> io::Result<(File, Child)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("guard").env_clear().env(GUARDED, run).current_dir("/").process_group(0);
    command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    let guard = thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || tell.send(command.spawn()));
        loop {
            match told.recv_timeout(LOOK) {
                Ok(spawned) => return spawned,
                // Ctrl-Z in this moment has stopped it, and its start waits for it.
                Err(RecvTimeoutError::Timeout) => pre_exec::let_go_on(|_| false),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("it was not started")),
            }
        }
    })?;
    Ok((std::os::fd::OwnedFd::from(writer).into(), guard))
}

/// What the hidden subcommand does.
pub(crate) fn guard() -> ExitCode {
    let run = std::env::var(GUARDED).unwrap_or_default();
    let mut running = HashSet::new();
    let is_over = listen(&mut running).unwrap_or(false);
    for group in &running {
        // It fails only if the whole group has ended in this moment.
        let _ = kill_process_group(*group, Signal::KILL);
    }
    if !is_over && !run.is_empty() {
        for _ in 0..LOOKS {
            kill_untold(&run);
            thread::sleep(LOOK);
        }
    }
    ExitCode::SUCCESS
}

/// Reads until the pipe is closed, and says whether the last word was there.
fn listen(running: &mut HashSet<Pid>) -> io::Result<bool> {
    let pipe = rustix::stdio::stdin();
    ioctl_fionbio(pipe, true)?;
    let mut is_over = false;
    let mut words = [0; 4096];
    loop {
        poll(&mut [PollFd::new(&pipe, PollFlags::IN)], None)?;
        loop {
            match rustix::io::read(pipe, &mut words) {
                Ok(0) => return Ok(is_over),
                Ok(n) => {
                    for word in words[..n].as_chunks::<4>().0 {
                        is_over |= note(running, i32::from_ne_bytes(*word));
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Asks for nothing: only the close of the pipe ends it early.
        poll(&mut [PollFd::new(&pipe, PollFlags::empty())], Some(&BETWEEN_LOOKS))?;
    }
}

/// Whether this was the last word.
fn note(running: &mut HashSet<Pid>, word: i32) -> bool {
    match Pid::from_raw(word.abs()) {
        None => return true,
        Some(group) if word > 0 => running.insert(group),
        Some(group) => running.remove(&group),
    };
    false
}

/// Kills the groups of a run whose first processes are in our session.
fn kill_untold(run: &str) {
    let entry = format!("{RUN}={run}");
    let Some(Place { session, .. }) = place("self") else { return };
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(name) = process.file_name().into_string() else { continue };
        let Some(pid) = name.parse().ok().and_then(Pid::from_raw) else { continue };
        let environment = || fs::read(format!("/proc/{name}/environ")).unwrap_or_default();
        if place(&name) == Some(Place { group: pid.as_raw_nonzero().get(), session })
            && environment().split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes())
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Where a process belongs. The numbers are 0 for what is outside of our namespace.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    group: i32,
    session: i32,
}

/// `None` if there is no such process any more.
fn place(process: &str) -> Option<Place> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in parentheses, and may have some itself.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(2);
    Some(Place { group: fields.next()?.parse().ok()?, session: fields.next()?.parse().ok()? })
}
