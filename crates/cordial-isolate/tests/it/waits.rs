//! What the tests wait for, with limits: a test that would hang fails, and says what it has waited for. The limits are long, because they only matter
//! then.

use std::time::Duration;

use cordial::Exit;
use tokio::time::{Instant, timeout};

/// How long a test waits for one thing.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// How long a whole test may take.
const LONGEST_TEST: Duration = Duration::from_secs(900);

/// Runs a test, which fails if it hangs.
pub(crate) fn run<F>(test: F) -> Result<F::Output, Exit>
where
    F: Future<Output: Send> + Send + 'static,
{
    cordial::run(async {
        let output = timeout(LONGEST_TEST, test).await;
        output.unwrap_or_else(|_| panic!("the test has not ended within {LONGEST_TEST:?}: see where it waits last"))
    })
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_some(what, || holds().then_some(())).await;
}

/// Waits until there is a value, and returns it.
pub(crate) async fn until_some<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(started.elapsed() < LONG, "not within {LONG:?}: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Ends this process if it has not ended before. The test that has started it then fails. For processes that a deadlock of their threads must not keep
/// from ending.
#[expect(clippy::print_stderr, reason = "the outer process shows it")]
pub(crate) fn limit_time_of_process() {
    let exit = || {
        std::thread::sleep(LONGEST_TEST);
        eprintln!("this process of a test has not ended within {LONGEST_TEST:?}");
        std::process::exit(99);
    };
    std::thread::Builder::new().spawn(exit).expect("a thread starts");
}
