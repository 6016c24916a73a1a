//! The guard: a small process that kills the running commands when `cordial` ends and cannot do it itself, because SIGKILL has
//! killed it.
//!
//! ```text
//! cordial ── pipe: +4711 (group started) ─ -4711 (group ended) ─ 0 (run is over) ──► guard
//!    └ SIGKILL ──► the system closes the pipe ────────────────────────────────────► kills the groups that still run
//! ```
//!
//! `cordial` may be killed after it starts a group and before it writes the message. Therefore commands are started with the
//! name of their run in the environment. When the pipe is closed without the last message, the guard also searches
//! `/proc` for group leaders with that name. A process that has left its group for a session of its own (`setsid`) is not
//! killed; the end of its item does not kill it either.
//!
//! The guard is this program with a hidden subcommand, started once per run. While no message
//! arrives, it sleeps. It reads the pipe at most 20 times a second, because waking it for each
//! message would cost more than writing the message. Messages wait in the pipe meanwhile, even
//! after `cordial` is killed.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process_group};

use super::pre_exec;
use super::processes::Processes;
use super::resources::check_room_for_thread;
use crate::system::spawn_config::RUN_VARIABLE;

/// The environment variable of the guard that names its run. It differs from `RUN_VARIABLE`, so that the guard does not
/// kill itself.
const GUARDED_RUN_VARIABLE: &str = "CORDIAL_GUARDED";

/// The time between two reads of the pipe. A pipe holds 16384 messages, which is more than can be written in this time. It holds fewer if the
/// user has used up the memory for pipes; then `cordial` may have to wait for the next read.
const READ_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The first pause between two searches for groups that were started without a message. Each pause is twice as long as the one before, and
/// all last about three seconds. A child that was between `fork` and `exec` when `cordial` was killed is recognizable only after the `exec`.
/// On a busy machine, it may get no processor for a second or two before.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const PAUSES: u32 = 7;

/// The time between two searches for a guard that Ctrl-Z has stopped before its `exec`.
const STOPPED_GUARD_INTERVAL: Duration = Duration::from_millis(40);

/// The address space that has to be free for allocations. An allocation that fails would abort the program.
const ROOM_FOR_START: usize = 8 << 20;

/// Starts the guard and returns the pipe to it. The guard ends when the pipe is closed.
///
/// # Errors
///
/// When the system cannot start a process or a thread, or the address space has no room for one.
pub(crate) fn start_guard(run_name: &str) -> io::Result<(File, Child)> {
    // Without a limit, nothing is reserved: the allocator would keep that room and use it in time, so the program would need more memory.
    if getrlimit(Resource::As).current.is_some() {
        Vec::<u8>::new().try_reserve_exact(ROOM_FOR_START).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    }
    check_room_for_thread()?;
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("guard").env_clear().env(GUARDED_RUN_VARIABLE, run_name).current_dir("/").process_group(0);
    command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    let guard = thread::scope(|scope| {
        let (sender, spawned) = mpsc::channel();
        thread::Builder::new().spawn_scoped(scope, move || sender.send(command.spawn()))?;
        loop {
            match spawned.recv_timeout(STOPPED_GUARD_INTERVAL) {
                Ok(spawned) => return spawned,
                // `spawn` returns after the `exec` of the child, and Ctrl-Z may have stopped the child before that.
                Err(RecvTimeoutError::Timeout) => pre_exec::continue_stopped_children(|_| false),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the starting thread ended")),
            }
        }
    })?;
    Ok((std::os::fd::OwnedFd::from(writer).into(), guard))
}

/// Runs the guard, which is the hidden subcommand.
pub(crate) fn run_guard() -> ExitCode {
    let run_name = std::env::var(GUARDED_RUN_VARIABLE).unwrap_or_default();
    let mut running = HashSet::new();
    let is_over = read_messages(&mut running).unwrap_or(false);
    for group in &running {
        // Fails only if no process of the group is left, or all of them run as another user, for example after `sudo`.
        let _ = kill_process_group(*group, Signal::KILL);
    }
    if !is_over && !run_name.is_empty() {
        kill_unannounced_groups(&run_name);
        for n in 0..PAUSES {
            thread::sleep(FIRST_PAUSE * 2_u32.pow(n));
            kill_unannounced_groups(&run_name);
        }
    }
    ExitCode::SUCCESS
}

/// Reads messages until the pipe is closed, and returns whether one has said that the run is over.
fn read_messages(running: &mut HashSet<Pid>) -> io::Result<bool> {
    let pipe = rustix::stdio::stdin();
    ioctl_fionbio(pipe, true)?;
    let mut is_over = false;
    let mut messages = [0; 4096];
    loop {
        poll(&mut [PollFd::new(&pipe, PollFlags::IN)], None)?;
        loop {
            match rustix::io::read(pipe, &mut messages) {
                Ok(0) => return Ok(is_over),
                Ok(n) => {
                    for message in messages[..n].as_chunks::<4>().0 {
                        is_over |= apply(running, i32::from_ne_bytes(*message));
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // No events are requested, so only the close of the pipe ends this wait early.
        poll(&mut [PollFd::new(&pipe, PollFlags::empty())], Some(&READ_INTERVAL))?;
    }
}

/// Adds or removes a group, and returns whether the message says that the run is over.
fn apply(running: &mut HashSet<Pid>, message: i32) -> bool {
    match Pid::from_raw(message.abs()) {
        None => return true,
        Some(group) if message > 0 => running.insert(group),
        Some(group) => running.remove(&group),
    };
    false
}

/// Kills the groups of a run whose leaders are in the session of the guard.
fn kill_unannounced_groups(run_name: &str) {
    let variable = format!("{RUN_VARIABLE}={run_name}");
    let Some(processes) = Processes::new() else { return };
    let Some(own) = Processes::own() else { return };
    for process in Processes::all() {
        if process.session == own.session
            && process.number() == Some(process.group)
            && process.has_variable(&variable)
            && let Some(group) = processes.pid(&process)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
