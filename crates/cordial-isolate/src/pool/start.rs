//! The start of a pool, up to its first worker.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use rustix::process::{Resource, geteuid, getrlimit};

use super::cause::refusal;
use super::config::Config;
use super::driver::Driver;
use super::error::PoolError;
use super::shared::PoolShared;
use crate::{init, kernel};

/// How many descriptors one worker takes: its socket, two outputs, and what reports its exit.
const DESCRIPTORS: usize = 4;

/// How many descriptors are left to the rest of the program.
const SPARE_DESCRIPTORS: usize = 32;

/// Starts the workers, and returns when the first one is ready.
pub(super) fn start(mut config: Config) -> Result<Arc<PoolShared>, PoolError> {
    if let Some(option) = kernel::MISSING_OPTION.filter(|_| config.memory.is_some()) {
        return Err(PoolError::Unsupported { what: option, system: std::env::consts::OS });
    }
    let initialized = init::initialized();
    if initialized.is_none() && config.program.is_none() {
        return Err(PoolError::NotInitialized);
    }
    check_limits(config.workers)?;
    // Later workers are the same program, even if this one has another working directory by then.
    config.program = config.program.map(absolute);
    let program: Arc<str> = match &config.program {
        Some(path) => format!("{path:?}").into(),
        None => "this program".into(),
    };
    let no_thread = |error: std::io::Error| PoolError::NoThread { reason: refusal(&error).into() };
    let (shared, woken) = PoolShared::new(config, program).map_err(no_thread)?;
    let shared = Arc::new(shared);
    let (sender, first_start) = mpsc::channel();
    Driver::start(shared.clone(), woken, initialized, sender).map_err(no_thread)?;
    match first_start.recv().unwrap_or(Err(PoolError::Stopped)) {
        Ok(()) => Ok(shared),
        Err(error) => {
            shared.close();
            Err(error)
        }
    }
}

/// Returns the path from the root. A name without a folder stays as it is: the system finds it by `PATH`.
fn absolute(program: PathBuf) -> PathBuf {
    if !program.as_os_str().as_bytes().contains(&b'/') {
        return program;
    }
    std::path::absolute(&program).unwrap_or(program)
}

/// Checks that the system allows this many workers. It may still refuse one later, if other programs take what is free now.
fn check_limits(workers: usize) -> Result<(), PoolError> {
    let check = |resource, each: usize, spare: usize, limit: &'static str| {
        let Some(maximum) = getrlimit(resource).current else { return Ok(()) };
        let possible = usize::try_from(maximum).unwrap_or(usize::MAX).saturating_sub(spare) / each;
        if workers > possible { Err(PoolError::TooManyWorkers { workers, possible, limit }) } else { Ok(()) }
    };
    check(Resource::Nofile, DESCRIPTORS, SPARE_DESCRIPTORS, "the limit of open files (`ulimit -n`)")?;
    // This limit does not hold for the superuser.
    if !geteuid().is_root() {
        check(Resource::Nproc, 1, 0, "the limit of processes (`ulimit -u`)")?;
    }
    let possible = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    match possible {
        Some(possible) if workers > possible => {
            Err(PoolError::TooManyWorkers { workers, possible, limit: "the kernel (`kernel.pid_max`)" })
        }
        _ => Ok(()),
    }
}
