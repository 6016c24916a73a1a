use super::*;
use crate::program::Op;

const NOTHING: Option<Result<(), Cause>> = None;

/// A correct run of two linked processes: 1 owns 2, which returns a value.
fn correct_run() -> Vec<Event> {
    vec![
        Event::Spawned { who: 1, by: ROOT, linkage: Linkage::Unlinked, has_handle: false },
        Event::MonitorCreated { of: 1, awaited_by: AwaitedBy::RunnerFromSpawn },
        Event::Polled(1),
        Event::Spawned { who: 2, by: 1, linkage: Linkage::Linked, has_handle: true },
        Event::MonitorCreated { of: 2, awaited_by: AwaitedBy::RunnerFromSpawn },
        Event::Trapping(1),
        Event::Table(vec![(1, vec![2]), (2, vec![1])]),
        Event::Waiting { who: 1, of: 2 },
        Event::Polled(2),
        Event::ValueMade(2),
        Event::Returned(2),
        Event::Destroyed(2),
        Event::Down { number: 4, cause: Cause::Normal },
        Event::Trapped { who: 1, from: Some(2), cause: Cause::Normal },
        Event::CallReturned { of: 2, by: 1, call: Call::Await, was_taken: false, answer: Some(Ok(())) },
        Event::ValueDropped(2),
        Event::Quiescent,
        Event::Sent { by: ROOT, to: 1, cause: Cause::Killed },
        Event::Destroyed(1),
        Event::Down { number: 1, cause: Cause::Killed },
        Event::Finished { remaining: vec![] },
    ]
}

#[test]
fn a_correct_run_matches() {
    assert_eq!(check(&correct_run()), Ok(()));
}

/// Each case changes the correct run at one index: `n_removed` events are replaced.
#[test]
fn every_mismatch_is_detected() {
    let returned = |call, answer| Event::CallReturned { of: 2, by: 1, call, was_taken: false, answer };
    let trapped = |cause| Event::Trapped { who: 1, from: Some(2), cause };
    for (at, n_removed, added, expected) in [
        (6, 1, vec![Event::Table(vec![(1, vec![2]), (2, vec![])])], "a one-sided link: process 1 is linked to 2"),
        (6, 1, vec![Event::Table(vec![(1, vec![]), (2, vec![])])], "should have"),
        (6, 1, vec![Event::Table(vec![(1, vec![])])], "should have"),
        (6, 1, vec![Event::Table(vec![(1, vec![2])])], "a lost exit: process 1 is still linked to 2"),
        (11, 1, vec![], "an early exit: process 2"),
        (11, 2, vec![Event::Down { number: 4, cause: Cause::Normal }, Event::Destroyed(2)], "an early exit: process 2"),
        (12, 1, vec![], "a monitor of 2 hangs"),
        (12, 1, vec![Event::Down { number: 4, cause: Cause::Killed }], "returns Killed instead of Normal"),
        (13, 0, vec![Event::Down { number: 4, cause: Cause::Normal }], "resolves twice"),
        (13, 0, vec![Event::Polled(2)], "after its exit"),
        (13, 0, vec![Event::Destroyed(2)], "after its exit"),
        (13, 0, vec![trapped(Cause::Normal)], "instead of None"),
        (13, 1, vec![trapped(Cause::Killed)], "instead of Some((Some(2), Normal))"),
        (13, 1, vec![Event::NothingTrapped(1)], "has not received a trapped exit"),
        (14, 1, vec![returned(Call::Await, Some(Err(Cause::Normal)))], "a value takes precedence over any exit"),
        (14, 1, vec![returned(Call::YieldFor, NOTHING)], "the process has exited"),
        (14, 1, vec![returned(Call::Ignore, NOTHING)], "the process has exited"),
        (14, 1, vec![returned(Call::Shutdown(How::Infinity), NOTHING)], "the value is Made"),
        (14, 1, vec![], "process 1 hangs: it waits for 2"),
        (15, 0, vec![returned(Call::Await, Some(Ok(())))], "the value is Delivered"),
        (
            15,
            0,
            vec![Event::OptedIn(1), Event::RequestPolled { who: 1, is_requested: true }],
            "shutdown requested is not true",
        ),
        (15, 1, vec![], "was dropped 0 times"),
        (15, 0, vec![Event::ValueDropped(2)], "was dropped 2 times"),
        (16, 0, vec![Event::Sent { by: 1, to: 1, cause: Cause::Killed }], "although its exit was decided"),
        (17, 1, vec![], "exits without a reason"),
        (18, 0, vec![Event::Polled(1)], "polled after its exit was decided"),
        (18, 0, vec![Event::Step(3, Op::Hang)], "before its spawn"),
        (20, 1, vec![Event::Finished { remaining: vec![1] }], "the table has [1]"),
        (20, 1, vec![], "the run has not finished"),
    ] {
        let mut log = correct_run();
        log.splice(at..at + n_removed, added.clone());
        let mismatch = check(&log).expect_err(expected).1;
        assert!(
            mismatch.contains(expected),
            "{mismatch:?} is not {expected:?}, with {added:?} instead of {n_removed} events at {at}"
        );
    }
}
