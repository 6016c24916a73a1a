use super::*;
use crate::program::Op;

const NOTHING: Option<Result<(), Cause>> = None;

/// A run of two linked processes: 1 owns 2, which gives a value.
fn a_good_run() -> Vec<Event> {
    vec![
        Event::Born { who: 1, by: STAGE, tie: Tie::Free, has_handle: false },
        Event::Watched { of: 1, keeper: Keeper::Birth },
        Event::Polled(1),
        Event::Born { who: 2, by: 1, tie: Tie::Linked, has_handle: true },
        Event::Watched { of: 2, keeper: Keeper::Birth },
        Event::Trapping(1),
        Event::Seen(vec![(1, vec![2]), (2, vec![1])]),
        Event::Waiting { who: 1, of: 2 },
        Event::Polled(2),
        Event::ValueMade(2),
        Event::Returned(2),
        Event::Destroyed(2),
        Event::Down { watch: 4, cause: Cause::Normal },
        Event::Trapped { who: 1, from: Some(2), cause: Cause::Normal },
        Event::Answered { of: 2, by: 1, call: Call::Await, was_taken: false, answer: Some(Ok(())) },
        Event::ValueDropped(2),
        Event::Curtain,
        Event::Sent { by: STAGE, to: 1, cause: Cause::Killed },
        Event::Destroyed(1),
        Event::Down { watch: 1, cause: Cause::Killed },
        Event::Over { left: vec![] },
    ]
}

#[test]
fn a_good_run_fits() {
    assert_eq!(check(&a_good_run()), Ok(()));
}

/// Each case changes the good run at one place: from there on, `n_removed` events give way to others.
#[test]
fn whatever_goes_wrong_is_told() {
    let answered = |call, answer| Event::Answered { of: 2, by: 1, call, was_taken: false, answer };
    let trapped = |cause| Event::Trapped { who: 1, from: Some(2), cause };
    for (at, n_removed, others, told) in [
        (6, 1, vec![Event::Seen(vec![(1, vec![2]), (2, vec![])])], "half a link: process 1 is linked to 2"),
        (6, 1, vec![Event::Seen(vec![(1, vec![]), (2, vec![])])], "should have"),
        (6, 1, vec![Event::Seen(vec![(1, vec![])])], "should have"),
        (6, 1, vec![Event::Seen(vec![(1, vec![2])])], "a lost exit: process 1 is still linked to 2"),
        (11, 1, vec![], "an early end: process 2"),
        (11, 2, vec![Event::Down { watch: 4, cause: Cause::Normal }, Event::Destroyed(2)], "an early end: process 2"),
        (12, 1, vec![], "a monitor of 2 hangs"),
        (12, 1, vec![Event::Down { watch: 4, cause: Cause::Killed }], "is told Killed instead of Normal"),
        (13, 0, vec![Event::Down { watch: 4, cause: Cause::Normal }], "answers twice"),
        (13, 0, vec![Event::Polled(2)], "after its end"),
        (13, 0, vec![Event::Destroyed(2)], "after its end"),
        (13, 0, vec![trapped(Cause::Normal)], "instead of None"),
        (13, 1, vec![trapped(Cause::Killed)], "instead of Some((Some(2), Normal))"),
        (13, 1, vec![Event::AllTrapped(1)], "has not been told of an exit"),
        (14, 1, vec![answered(Call::Await, Some(Err(Cause::Normal)))], "a value goes before any exit"),
        (14, 1, vec![answered(Call::YieldFor, NOTHING)], "it has ended"),
        (14, 1, vec![answered(Call::Ignore, NOTHING)], "it has ended"),
        (14, 1, vec![answered(Call::Shutdown(How::Infinity), NOTHING)], "it gave Made"),
        (14, 1, vec![], "process 1 hangs: it waits for 2"),
        (15, 0, vec![answered(Call::Await, Some(Ok(())))], "its value is Delivered"),
        (15, 0, vec![Event::WantsNotice(1), Event::Noticed { who: 1, is_asked: true }], "asked to end is not true"),
        (15, 1, vec![], "was dropped 0 times"),
        (15, 0, vec![Event::ValueDropped(2)], "was dropped 2 times"),
        (16, 0, vec![Event::Sent { by: 1, to: 1, cause: Cause::Killed }], "was told to end, and has not"),
        (17, 1, vec![], "nobody told it to"),
        (18, 0, vec![Event::Polled(1)], "polled after it was told to end"),
        (18, 0, vec![Event::Did(3, Op::Hang)], "before its birth"),
        (20, 1, vec![Event::Over { left: vec![1] }], "the table has [1]"),
        (20, 1, vec![], "no end"),
    ] {
        let mut log = a_good_run();
        log.splice(at..at + n_removed, others.clone());
        let misfit = check(&log).expect_err(told).1;
        assert!(misfit.contains(told), "at {at}, {others:?} instead of {n_removed} events: {misfit:?} is not {told:?}");
    }
}
