//! What does it cost to run a program that does nothing, if nothing else is done? Two threads start `true` and wait for its exit.
//! `true` gets one argument, as from `cordial map`: without one, the `true` of coreutils does not read the locale, which saves a
//! quarter of its time.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process_group, pidfd_open, waitpid};

use crate::measure::now;

/// The number of threads.
const THREADS: u32 = 2;

/// What is done for each command besides starting it and waiting for its exit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    Nothing,
    /// What `cordial map` does: a process group, signals that are reset, two pipes for the outputs, a pidfd that reports the
    /// exit, a poll of the pipes, and a signal to the rest of the group.
    OfMap,
}

/// Returns the seconds for this number of commands; NaN if one cannot be started.
pub(crate) fn seconds(commands: u32, calls: Calls) -> f64 {
    let Some(program) = path_of_true() else { return f64::NAN };
    let environment: Vec<CString> =
        std::env::vars().filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok()).collect();
    let (next, n_failed) = (AtomicU32::new(0), AtomicU32::new(0));
    let started = now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= commands {
                        break;
                    }
                    if run(&program, n, &environment, calls).is_err() {
                        n_failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    if n_failed.into_inner() == 0 { started.elapsed().as_secs_f64() } else { f64::NAN }
}

fn path_of_true() -> Option<CString> {
    let paths = std::env::var_os("PATH")?;
    let path = std::env::split_paths(&paths).map(|directory| directory.join("true")).find(|path| path.exists())?;
    CString::new(path.into_os_string().into_encoded_bytes()).ok()
}

fn run(program: &CStr, n: u32, environment: &[CString], calls: Calls) -> io::Result<()> {
    let item = CString::new(n.to_string())?;
    let mut attributes = PosixSpawnAttr::init()?;
    let mut actions = PosixSpawnFileActions::init()?;
    let mut outputs = Vec::new();
    if calls == Calls::OfMap {
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETPGROUP | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        attributes.set_sigdefault(&SigSet::all())?;
        for output in [1, 2] {
            let (reader, writer) = io::pipe()?;
            actions.add_dup2(writer.as_raw_fd(), output)?;
            outputs.push((reader, writer));
        }
    }
    let id = posix_spawn(program, &actions, &attributes, &[program, &item], environment)?;
    let id = Pid::from_raw(id.as_raw()).ok_or(io::ErrorKind::Other)?;
    let outputs: Vec<io::PipeReader> = outputs.into_iter().map(|(reader, _)| reader).collect();
    if calls == Calls::OfMap {
        let exit = pidfd_open(id, PidfdFlags::NONBLOCK)?;
        poll(&mut [PollFd::new(&exit, PollFlags::IN)], None)?;
        for output in &outputs {
            let timeout = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&timeout))?;
        }
        kill_process_group(id, Signal::KILL)?;
    }
    waitpid(Some(id), WaitOptions::empty())?;
    Ok(())
}
