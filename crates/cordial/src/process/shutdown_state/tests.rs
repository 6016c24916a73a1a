use super::*;

fn exiting(was_requested: bool) -> ShutdownState {
    ShutdownState::Exiting { exit: Box::new(Exit::Killed), cause: ExitCause::Signal, was_requested }
}

#[test]
fn only_a_running_process_changes_when_it_opts_in() {
    for (mut before, is_requested, is_exiting) in [
        (ShutdownState::Running, false, false),
        (ShutdownState::OptedIn, false, false),
        (ShutdownState::Requested, true, false),
        (exiting(false), false, true),
        (exiting(true), true, true),
    ] {
        let was_running = matches!(before, ShutdownState::Running);
        before.opt_in();
        assert_eq!(matches!(before, ShutdownState::OptedIn), was_running || matches!(before, ShutdownState::OptedIn));
        assert_eq!((before.is_requested(), before.is_exiting()), (is_requested, is_exiting), "{before:?}");
        assert_eq!(before.into_exit(), is_exiting.then_some(Exit::Killed));
    }
}

#[test]
fn the_state_takes_no_more_room_than_a_pointer_and_a_word() {
    assert!(size_of::<ShutdownState>() <= 16, "{} bytes", size_of::<ShutdownState>());
}
