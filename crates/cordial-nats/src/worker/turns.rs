//! `Turns`: whether a job or a call gets the next free slot while both wait.
//!
//! Without turns, one kind of work would starve the other. With few callers, jobs would take every slot: a waiting job arrives within a
//! millisecond after a slot is freed, long before a refused caller asks again. With very many callers, calls would take every slot: one of
//! the callers asks again even before the job arrives. So jobs and calls alternate. If a job began last, a refused call reserves one slot for
//! calls. If a call began last, a job that was given back reserves one slot for jobs.

use std::time::Duration;

use tokio::time::Instant;

/// How long a free slot stays reserved. This is long enough for either kind of work: one of the refused callers asks again within 150 ms, and
/// the server sends a waiting job at once.
const RESERVED: Duration = Duration::from_millis(250);

/// The kinds of work that need a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Job,
    Call,
}

/// Decides whether a job or a call gets the next free slot. At most one slot is reserved.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The work that began last.
    last: Option<Work>,
    reserved: Option<ReservedSlot>,
}

#[derive(Debug)]
struct ReservedSlot {
    work: Work,
    /// When the reservation expires. `None` if no slot has been free since the reservation was made.
    until: Option<Instant>,
}

impl Turns {
    /// Returns how many slots are reserved for this kind of work.
    pub(super) fn n_reserved(&self, work: Work) -> usize {
        usize::from(self.reserved.as_ref().is_some_and(|reserved| reserved.work == work))
    }

    /// Notes that this kind of work found no free slot. If the other kind began last, reserves a slot for this kind.
    pub(super) fn note_refused(&mut self, work: Work) {
        if self.last.is_some_and(|last| last != work) {
            self.reserved = Some(ReservedSlot { work, until: None });
        }
    }

    /// Notes that this kind of work has begun. A reservation for this kind is used up. One for the other kind stays: this work has taken another slot.
    pub(super) fn note_begun(&mut self, work: Work) {
        self.last = Some(work);
        self.reserved.take_if(|reserved| reserved.work == work);
    }

    /// Notes how many slots are free. The time of a reservation begins to run when a slot is free for the first time.
    pub(super) fn note_free(&mut self, n_slots: usize) {
        if let Some(reserved) = &mut self.reserved
            && n_slots > 0
        {
            reserved.until.get_or_insert_with(|| Instant::now() + RESERVED);
        }
    }

    /// Waits until the time of the reservation is over, and removes the reservation: the refused work has probably gone to another worker.
    /// Never ready if there is no reservation, or if its time has not begun.
    pub(super) async fn wait_end(&mut self) {
        match self.reserved.as_ref().and_then(|reserved| reserved.until) {
            Some(time) => tokio::time::sleep_until(time).await,
            None => std::future::pending().await,
        }
        self.reserved = None;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn work_that_was_refused_has_the_next_slot_unless_it_had_the_last_one() {
        let mut turns = Turns::default();
        turns.note_begun(Work::Call);
        turns.note_refused(Work::Call);
        assert_eq!((turns.n_reserved(Work::Call), turns.n_reserved(Work::Job)), (0, 0));
        turns.note_refused(Work::Job);
        turns.note_refused(Work::Call);
        assert_eq!((turns.n_reserved(Work::Call), turns.n_reserved(Work::Job)), (0, 1));
        turns.note_begun(Work::Job);
        assert_eq!(turns.n_reserved(Work::Job), 0);
        turns.note_refused(Work::Call);
        assert_eq!((turns.n_reserved(Work::Call), turns.n_reserved(Work::Job)), (1, 0));
    }

    #[test]
    fn work_that_takes_a_slot_which_is_not_reserved_leaves_the_reserved_one() {
        for (refused, other) in [(Work::Job, Work::Call), (Work::Call, Work::Job)] {
            let mut turns = Turns::default();
            turns.note_begun(other);
            turns.note_refused(refused);
            // Two slots are freed at once, and work of the other kind waits for both.
            turns.note_free(2);
            turns.note_begun(other);
            assert_eq!((turns.n_reserved(refused), turns.n_reserved(other)), (1, 0));
            turns.note_begun(refused);
            assert_eq!((turns.n_reserved(refused), turns.n_reserved(other)), (0, 0));
        }
    }

    #[test]
    fn the_time_of_a_reserved_slot_begins_when_one_is_free() {
        let mut turns = Turns::default();
        turns.note_begun(Work::Call);
        turns.note_refused(Work::Job);
        turns.note_free(0);
        assert_eq!(turns.wait_end().now_or_never(), None);
        assert!(turns.reserved.as_ref().is_some_and(|reserved| reserved.until.is_none()));
        turns.note_free(1);
        assert!(turns.reserved.as_ref().is_some_and(|reserved| reserved.until.is_some()));
    }
}
