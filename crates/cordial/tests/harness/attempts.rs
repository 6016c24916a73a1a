//! Attempts of a test whose outcome depends on when the system runs each of its threads.

/// How often a test is tried.
const ATTEMPTS: usize = 5;

/// Calls `attempt` on a thread of its own until it does not panic, five times at most. Fails with the panic of the last attempt.
///
/// For what holds only if no thread waits for a processor at the wrong moment. On a busy machine a thread may wait for a second,
/// which a single attempt cannot tell from a fault. A fault of the code makes every attempt fail.
pub(crate) fn one_succeeds(attempt: impl Fn() + Sync) {
    let succeeds = |_| std::thread::scope(|scope| scope.spawn(&attempt).join().is_ok());
    if !(1..ATTEMPTS).any(succeeds) {
        attempt();
    }
}
