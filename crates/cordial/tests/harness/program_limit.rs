//! The time limit of a program of tests.

use std::io::Write;
use std::time::Duration;

/// Far longer than all tests of a program take together, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// No test of the library: it ends the program if one of the other tests hangs. libtest has no time limit of its own.
#[test]
fn a_program_whose_test_hangs_is_ended() {
    #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        // Standard error directly, because libtest hides what a test prints.
        let _ = writeln!(
            std::io::stderr(),
            "the tests have not ended within {LIMIT:?}: a test hangs, one of those that have been running for over 60 seconds"
        );
        std::process::exit(99);
    });
}
