//! The state of one runtime.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cordial_sched::{Key, Table};

use super::restart_limit_exits::RestartLimitExits;
use crate::pid::Pid;
use crate::process::crashes::Crashes;
use crate::process::entry::Entry;
use crate::process::guardian::GuardianNumbers;
use crate::telemetry;
use crate::unwind::{self, PanicReports};

/// The state of one runtime. The scheduler holds it as the hooks that it calls.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The part of every pid that names the runtime.
    number: NonZeroU32,
    /// The operating system's number of the process in which the runtime was started.
    os_process: u32,
    pub(super) table: Table<Entry>,
    pub(super) guardian_numbers: GuardianNumbers,
    pub(super) crashes: Crashes,
    pub(super) restart_limit_exits: RestartLimitExits,
    pub(super) panic_reports: PanicReports,
    /// The spawn locations of which a long poll was reported.
    long_poll_locations: Mutex<BTreeSet<(&'static str, u32, u32)>>,
}

impl Shared {
    /// Creates the state of a runtime with this number of threads, and installs the panic hook if this is the first runtime
    /// of the program.
    pub(crate) fn new(threads: usize, panic_reports: PanicReports) -> Arc<Shared> {
        // Runtimes are numbered, so that a pid of one runtime is unknown in the others.
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        unwind::install_hook(telemetry::has_crash_subscriber);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Shared {
            number: NonZeroU32::new(number).expect("a program starts fewer than 2^32 runtimes"),
            os_process: std::process::id(),
            table: Table::new(threads),
            guardian_numbers: GuardianNumbers::default(),
            crashes: Crashes::default(),
            restart_limit_exits: RestartLimitExits::default(),
            panic_reports,
            long_poll_locations: Mutex::default(),
        })
    }

    pub(super) fn number(&self) -> NonZeroU32 {
        self.number
    }

    pub(super) fn is_forked(&self) -> bool {
        std::process::id() != self.os_process
    }

    #[inline]
    pub(super) fn pid(&self, key: Key) -> Pid {
        Pid::new(self.number, key.index(), key.generation().get())
    }

    /// Returns the key of a process; `None` for a pid of another runtime and for `Pid::NO_PROCESS`.
    pub(super) fn key(&self, pid: Pid) -> Option<Key> {
        let generation = NonZeroU32::new(pid.generation()).filter(|_| pid.runtime() == self.number)?;
        Some(Key::new(pid.index(), generation))
    }

    /// Records a long poll of a process that was spawned at this location. Returns whether it is
    /// the first.
    pub(super) fn is_first_long_poll_of(&self, spawned_at: &'static Location<'static>) -> bool {
        let location = (spawned_at.file(), spawned_at.line(), spawned_at.column());
        self.long_poll_locations.lock().unwrap_or_else(PoisonError::into_inner).insert(location)
    }
}
