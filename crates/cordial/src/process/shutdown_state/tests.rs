use super::*;

fn exiting(was_requested: bool) -> ShutdownState {
    ShutdownState::Exiting { exit: Box::new(Exit::Killed), cause: ExitCause::Signal, was_requested }
}

fn deferring(n_guards: u32) -> ShutdownState {
    ShutdownState::Deferring { n_guards }
}

fn deferred(n_guards: u32) -> ShutdownState {
    ShutdownState::Deferred { n_guards, exit: Box::new(Exit::Shutdown(None)) }
}

/// Checks that `change` turns one state into another.
#[track_caller]
fn check<R>(mut before: ShutdownState, after: &ShutdownState, change: impl FnOnce(&mut ShutdownState) -> R) -> R {
    let shown = format!("{before:?}");
    let result = change(&mut before);
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "from {shown}");
    result
}

#[test]
fn is_requested_and_is_exiting_follow_from_the_state() {
    for (state, is_requested, is_exiting) in [
        (ShutdownState::Running, false, false),
        (deferring(1), false, false),
        (deferred(1), true, false),
        (ShutdownState::OptedIn, false, false),
        (ShutdownState::Requested, true, false),
        (exiting(false), false, true),
        (exiting(true), true, true),
    ] {
        assert_eq!((state.is_requested(), state.is_exiting()), (is_requested, is_exiting), "{state:?}");
        assert_eq!(state.into_exit(), is_exiting.then_some(Exit::Killed));
    }
}

#[test]
fn opting_in_cannot_be_undone() {
    for (before, after) in [
        (ShutdownState::Running, ShutdownState::OptedIn),
        (deferring(2), ShutdownState::OptedIn),
        (deferred(2), ShutdownState::Requested),
        (ShutdownState::OptedIn, ShutdownState::OptedIn),
        (ShutdownState::Requested, ShutdownState::Requested),
        (exiting(false), exiting(false)),
    ] {
        check(before, &after, ShutdownState::opt_in);
    }
    // Guards that are dropped later change nothing.
    for state in [ShutdownState::OptedIn, ShutdownState::Requested, exiting(true)] {
        let same = format!("{state:?}");
        let mut state = state;
        state.defer();
        assert!(state.end_deferral().is_none() && state.end_deferral().is_none());
        assert_eq!(format!("{state:?}"), same);
    }
}

#[test]
fn a_process_defers_requests_until_it_has_no_guard_any_more() {
    check(ShutdownState::Running, &deferring(1), ShutdownState::defer);
    check(deferring(1), &deferring(2), ShutdownState::defer);
    check(deferred(1), &deferred(2), ShutdownState::defer);
    for (before, after, exit) in [
        (deferring(2), deferring(1), None),
        (deferring(1), ShutdownState::Running, None),
        (deferred(2), deferred(1), None),
        (deferred(1), ShutdownState::Requested, Some(Exit::Shutdown(None))),
    ] {
        assert_eq!(check(before, &after, ShutdownState::end_deferral).map(|exit| *exit), exit);
    }
}

#[test]
fn only_a_process_that_has_not_opted_in_exits_when_it_is_asked_to() {
    for (before, after, on_request) in [
        (ShutdownState::Running, ShutdownState::Requested, OnRequest::Exits),
        (deferring(3), deferred(3), OnRequest::RunsOn),
        (deferred(3), deferred(3), OnRequest::RunsOn),
        (ShutdownState::OptedIn, ShutdownState::Requested, OnRequest::RunsOn),
        (ShutdownState::Requested, ShutdownState::Requested, OnRequest::RunsOn),
    ] {
        assert_eq!(check(before, &after, |state| state.request(&Exit::Shutdown(None))), on_request);
    }
}

#[test]
fn the_state_takes_no_more_room_than_a_pointer_and_a_word() {
    assert!(size_of::<ShutdownState>() <= 16, "{} bytes", size_of::<ShutdownState>());
}
