//! Not a test: the same test in many orders of execution.

use std::time::Duration;

use cordial::testing;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs the test on the virtual clock, in the order of each of twenty seeds.
#[track_caller]
pub(crate) fn in_every_order<F>(test: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for seed in 0..20 {
        testing::run_seeded(seed, test());
    }
}
