//! Tests of the phases, without workers.

use super::{Phase, PoolShared};
use crate::pool::config::Config;
use crate::pool::error::PoolError;

#[test]
fn a_pool_that_is_being_stopped_is_not_opened_before_the_stop_has_ended() {
    let (shared, _woken) = PoolShared::new(Config::default(), "program".into()).unwrap();
    let grace = shared.config.grace;
    shared.stop(grace);
    assert!(!shared.open());
    assert_eq!(shared.lock().phase, Phase::Stopping);
    assert_eq!(shared.lock().target, 0);
    assert!(matches!(shared.lock_open(), Err(PoolError::Stopped)));
    shared.lock().phase = Phase::Stopped;
    assert!(shared.open());
    assert!(shared.lock_open().is_ok());
}
