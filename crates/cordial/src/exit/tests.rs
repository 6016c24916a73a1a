use std::sync::atomic::{AtomicUsize, Ordering};

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
    assert_eq!(Exit::error(Exit::Killed), Exit::Killed);
}

#[test]
fn every_exit_but_normal_and_shutdown_is_a_crash() {
    let io = Exit::from(io::Error::other("disk"));
    for (exit, abnormal) in [
        (Exit::Normal, false),
        (Exit::Shutdown(None), false),
        (Exit::Shutdown(Some("enough".into())), false),
        (Exit::Killed, true),
        (io, true),
        (Exit::NoProcess, true),
        (Exit::Refused(Refusal::RuntimeStopped), true),
        (Exit::from(Lost::builder(LostCause::ExitCode(0)).build()), true),
    ] {
        assert_eq!(exit.is_abnormal(), abnormal, "{exit}");
    }
}

#[test]
fn debug_reads_like_the_alternate_form() {
    let exit = Exit::Shutdown(Some("enough".into()));
    assert_eq!(format!("{exit:?}"), format!("{exit:#}"));
}

/// An error with a text and a source.
#[derive(Debug)]
struct Link(&'static str, Option<Box<Link>>);

impl Link {
    /// A chain of errors with these texts, the outermost first.
    fn chain(texts: &[&'static str]) -> Exit {
        let chain = texts.iter().rev().fold(None, |source, text| Some(Box::new(Link(text, source))));
        Exit::Error(Arc::new(*chain.unwrap()))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.1.as_deref()?)
    }
}

#[test]
fn the_alternate_form_shows_the_whole_chain_and_display_the_first_text() {
    for (texts, first, whole) in [
        (&["no disk"][..], "no disk", "no disk"),
        (&["no config", "no file", "no disk"], "no config", "no config: no file: no disk"),
        // Errors whose own text contains the text of their source: it is not repeated.
        (&["no config: no disk", "no disk"], "no config: no disk", "no config: no disk"),
        (&["a: b: c", "b: c", "c", "d"], "a: b: c", "a: b: c: d"),
        // An empty text is left out.
        (&["no config", "", "no disk"], "no config", "no config: no disk"),
    ] {
        let exit = Link::chain(texts);
        assert_eq!((exit.to_string().as_str(), format!("{exit:#}").as_str()), (first, whole));
        assert_eq!(format!("{exit:?}"), whole, "what `main` prints of an `Err`");
    }
}

/// An error that is its own source.
#[derive(Debug)]
struct Endless(AtomicUsize);

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_chain_without_an_end_is_cut_off() {
    let exit = Exit::Error(Arc::new(Endless(AtomicUsize::new(1))));
    assert!(format!("{exit:#}").ends_with("99: 100: 101"));
    assert!(exit.downcast_ref::<io::Error>().is_none());
}

#[test]
fn a_lost_process_is_printed_with_its_cause_its_place_and_its_standard_error() {
    let lost = Lost::builder(LostCause::signal(11))
        .function("pictures.resize")
        .spawned_at(Location::new("src/main.rs", 7, 5))
        .place("OS process 4711")
        .attempt(2)
        .ran_for(std::time::Duration::from_millis(30))
        .stderr(vec!["decoding".to_owned(), "corrupt".to_owned()])
        .build();
    let exit = Exit::from(lost);
    let short = "killed by SIGSEGV (function \"pictures.resize\", spawned at src/main.rs:7:5, in OS process 4711, attempt 2, ran for 30ms)";
    assert_eq!(exit.to_string(), short);
    assert_eq!(format!("{exit:#}"), format!("{short}; standard error ended with:\ndecoding\ncorrupt"));
    assert!(exit.is_lost() && !exit.is_panic() && !exit.is_timeout());
}

#[test]
fn each_cause_has_a_sentence() {
    for (cause, text) in [
        (LostCause::signal(9), "killed by SIGKILL"),
        (LostCause::signal(200), "killed by signal 200"),
        (LostCause::ExitCode(3), "its OS process exited with code 3"),
        (LostCause::MemoryLimit { limit: 1024 }, "needed more memory than its limit of 1024 bytes"),
        (
            LostCause::CpuLimit { limit: std::time::Duration::from_secs(2) },
            "used more processor time than its limit of 2s",
        ),
        (LostCause::NodeDown { node: "a".into() }, "its node \"a\" is down"),
        (LostCause::ConnectionLost { reason: "reset".into() }, "its connection is lost: reset"),
    ] {
        assert_eq!(cause.to_string(), text);
    }
    assert!(LostCause::OutOfMemory.to_string().contains("which had no memory left"));
}

/// A regression test for macOS: there, 10 is the number of SIGBUS, and was called SIGUSR1.
#[cfg(unix)]
#[test]
fn a_signal_has_the_name_that_it_has_on_this_system() {
    use signal_hook::consts::{SIGABRT, SIGBUS, SIGKILL, SIGSEGV, SIGSYS, SIGUSR1, SIGUSR2, SIGXCPU};
    for (number, name) in [
        (SIGABRT, "SIGABRT"),
        (SIGBUS, "SIGBUS"),
        (SIGKILL, "SIGKILL"),
        (SIGSEGV, "SIGSEGV"),
        (SIGSYS, "SIGSYS"),
        (SIGUSR1, "SIGUSR1"),
        (SIGUSR2, "SIGUSR2"),
        (SIGXCPU, "SIGXCPU"),
    ] {
        assert_eq!(LostCause::signal(number), LostCause::Signal { number, name: name.into() });
    }
}

#[test]
fn an_exit_boxed_by_into_exit_stays_what_it_is() {
    let lost = || Exit::from(Lost::builder(LostCause::ExitCode(7)).build());
    let (left, right) = (lost(), lost());
    assert_eq!(Exit::from(IntoExit::into_boxed(left)), right);
}

/// A panic has a copy of the name of its file, and a spawn has a reference to it.
#[test]
fn locations_are_equal_however_their_file_is_stored() {
    let here = std::panic::Location::caller();
    let (spawned, panicked) = (Location::from(here), Location::copied(here));
    assert_eq!(spawned, panicked);
    assert_eq!(std::collections::HashSet::from([spawned, panicked]).len(), 1);
}
