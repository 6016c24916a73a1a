//! Runs a test in several schedules.

use std::time::Duration;

use cordial::testing;

use super::limited;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs the test on the virtual clock, once for each of twenty seeds.
#[track_caller]
pub(crate) fn for_each_seed<F>(test: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _watch = limited::watch();
    for seed in 0..20 {
        testing::run_seeded(seed, test());
    }
}
