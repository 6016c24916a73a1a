use super::*;

#[test]
fn an_exit_is_small_enough_to_be_passed_around() {
    assert!(size_of::<Exit>() <= 24, "{} bytes", size_of::<Exit>());
}

#[test]
fn an_exit_in_a_box_stays_what_it_is() {
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Exit::Killed);
    assert_eq!(Exit::from(boxed), Exit::Killed);
    let boxed: Box<dyn Error + Send + Sync> = "no luck".into();
    let Exit::Error(error) = Exit::from(boxed) else { panic!("expected an error") };
    assert_eq!(error.to_string(), "no luck");
}

#[test]
fn only_a_normal_end_and_a_shutdown_are_not_crashes() {
    let io = Exit::from(io::Error::other("disk"));
    for (exit, abnormal) in [
        (Exit::Normal, false),
        (Exit::Shutdown(None), false),
        (Exit::Shutdown(Some("enough".into())), false),
        (Exit::Killed, true),
        (io, true),
        (Exit::NoProcess, true),
        (Exit::Refused(Refusal::RuntimeStopped), true),
    ] {
        assert_eq!(exit.is_abnormal(), abnormal, "{exit}");
    }
}

#[test]
fn debug_reads_like_display() {
    let exit = Exit::Shutdown(Some("enough".into()));
    assert_eq!(format!("{exit:?}"), exit.to_string());
}
