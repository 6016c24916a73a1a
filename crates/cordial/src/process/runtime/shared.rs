//! The state of one runtime.

use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordial_sched::{Key, Table};

use super::poll_durations::{PollBucket, PollDurations};
use super::restart_limit_exits::RestartLimitExits;
use super::roots::Roots;
use crate::pid::Pid;
use crate::process::crashes::Crashes;
use crate::process::entry;
use crate::process::groups::Groups;
use crate::process::guardian::GuardianNumbers;
use crate::sorted_map::SortedMap;
use crate::telemetry;
use crate::timeout::{CompactTimeout, Timeout};
use crate::unwind::{self, PanicReports};

/// The state of one runtime. The scheduler holds it as the hooks that it calls.
#[derive(Debug)]
pub(crate) struct RuntimeShared {
    /// The part of every pid that names the runtime.
    number: NonZeroU32,
    pub(super) table: Table<entry::Entry>,
    pub(super) guardian_numbers: GuardianNumbers,
    pub(super) crashes: Crashes,
    pub(super) restart_limit_exits: RestartLimitExits,
    pub(super) panic_reports: PanicReports,
    pub(super) roots: Roots,
    pub(super) streams: Groups,
    pub(super) task_sets: Groups,
    /// The largest number of ended processes that was shown to an observer.
    pub(super) n_ended: AtomicU64,
    /// How long a task is awaited unless the await sets another limit.
    pub(super) await_limit: CompactTimeout,
    /// The reports of long polls and the durations of polls, by spawn location.
    pub(super) long_polls: Mutex<SortedMap<(&'static str, u32, u32), LongPollsOfLocation>>,
}

/// The shortest time between two reports of the end of a long poll, for each spawn location.
const REPORT_EVERY_MS: u64 = 1000;

/// The reports of long polls of the processes of one spawn location, and how long their polls of about a millisecond or more lasted.
#[derive(Debug, Default)]
pub(super) struct LongPollsOfLocation {
    /// Whether a long poll was reported while it lasted.
    is_reported: bool,
    /// When the end of a long poll was last reported, in milliseconds on the coarse clock.
    reported_at: Option<u64>,
    /// How many long polls have ended since then without a report.
    n_left_out: u64,
    durations: PollDurations,
}

impl RuntimeShared {
    /// Creates the state of a runtime with this number of threads, and installs the panic hook if this is the first runtime
    /// of the program.
    pub(crate) fn new(threads: usize, panic_reports: PanicReports, await_limit: Timeout) -> Arc<RuntimeShared> {
        // Runtimes are numbered, so that a pid of one runtime is unknown in the others.
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        unwind::install_hook(telemetry::has_crash_subscriber);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Arc::new(RuntimeShared {
            number: NonZeroU32::new(number).expect("a program starts fewer than 2^32 runtimes"),
            table: Table::new(threads),
            guardian_numbers: GuardianNumbers::default(),
            crashes: Crashes::default(),
            restart_limit_exits: RestartLimitExits::default(),
            panic_reports,
            await_limit: await_limit.into(),
            long_polls: Mutex::default(),
            roots: Roots::default(),
            streams: Groups::default(),
            task_sets: Groups::default(),
            n_ended: AtomicU64::new(0),
        })
    }

    /// Creates the state of a simulated runtime.
    pub(crate) fn simulated() -> Arc<RuntimeShared> {
        RuntimeShared::new(1, PanicReports::Simulation, Timeout::default())
    }

    pub(super) fn number(&self) -> NonZeroU32 {
        self.number
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
        let mut long_polls = self.long_polls.lock().unwrap_or_else(PoisonError::into_inner);
        let of_location = reports_of(&mut long_polls, spawned_at);
        !std::mem::replace(&mut of_location.is_reported, true)
    }

    /// Counts a poll of a process that was spawned at this location: it is about to return, and has lasted for this long.
    pub(super) fn poll_ended(&self, spawned_at: &'static Location<'static>, lasted: Duration) {
        let mut long_polls = self.long_polls.lock().unwrap_or_else(PoisonError::into_inner);
        reports_of(&mut long_polls, spawned_at).durations.add(lasted);
    }

    /// Returns how long the polls of the processes that were spawned at this location have lasted.
    pub(super) fn poll_durations(&self, file: &str, line: u32, column: u32) -> Vec<PollBucket> {
        let long_polls = self.long_polls.lock().unwrap_or_else(PoisonError::into_inner);
        let by_location: &SortedMap<(&str, u32, u32), LongPollsOfLocation> = &long_polls;
        by_location.get((file, line, column)).map(|of_location| of_location.durations.buckets()).unwrap_or_default()
    }

    /// Records the end of a long poll, at this time on the coarse clock. If it is to be reported, returns how many were
    /// left out since the last report.
    pub(super) fn long_poll_ended(&self, spawned_at: &'static Location<'static>, now: u64) -> Option<u64> {
        let mut long_polls = self.long_polls.lock().unwrap_or_else(PoisonError::into_inner);
        let of_location = reports_of(&mut long_polls, spawned_at);
        if of_location.reported_at.is_some_and(|reported_at| now.saturating_sub(reported_at) < REPORT_EVERY_MS) {
            of_location.n_left_out += 1;
            return None;
        }
        of_location.reported_at = Some(now);
        Some(std::mem::take(&mut of_location.n_left_out))
    }
}

/// Returns the entry of a spawn location. Only locations with polls of about a millisecond or more have one, so the linear insertion
/// is quick.
fn reports_of<'a>(
    long_polls: &'a mut SortedMap<(&'static str, u32, u32), LongPollsOfLocation>,
    location: &'static Location<'static>,
) -> &'a mut LongPollsOfLocation {
    let key = (location.file(), location.line(), location.column());
    if long_polls.get(key).is_none() {
        long_polls.insert(key, LongPollsOfLocation::default());
    }
    long_polls.get_mut(key).expect("it was inserted if it was missing")
}
