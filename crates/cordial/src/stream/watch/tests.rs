use std::sync::Weak;

use super::*;
use crate::process::current_runtime;
use crate::stream::ready::{News, Ready};
use crate::testing;

/// The timer would keep it for as long as a limit may be.
#[test]
fn a_watch_that_is_dropped_leaves_nothing_behind() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let watch = Watch::new(current_runtime(), Arc::new(Ready::<()>::default()));
        watch.set_wait(0, 2 * hour);
        watch.set_wait(1, hour);
        let shared: Weak<Shared> = Arc::downgrade(&watch.0);
        drop(watch);
        assert!(shared.upgrade().is_none());
    });
}

#[test]
fn each_wait_rings_once_when_it_is_over() {
    testing::run(async {
        let second = Duration::from_secs(1);
        let ready = Arc::<Ready<()>>::default();
        let watch = Watch::new(current_runtime(), ready.clone());
        // The timer stands at the earliest, whichever comes first.
        for (slot, seconds) in [(0, 3), (1, 1), (2, 2), (3, 3)] {
            watch.set_wait(slot, seconds * second);
        }
        let mut news = News::default();
        for expected in [vec![], vec![1], vec![2], vec![0, 3], vec![]] {
            news.rung.clear();
            ready.take(&mut news);
            assert_eq!(news.rung, expected);
            let waiting: Vec<usize> = (0..4).filter(|slot| watch.is_waiting(*slot)).collect();
            assert!(waiting.iter().all(|slot| !news.rung.contains(slot)));
            tokio::time::sleep(second + Duration::from_millis(2)).await;
        }
    });
}

/// Between the moment when a limit was found to have passed and its kill, the slot may have gone to another attempt.
#[test]
fn a_limit_that_passed_harms_nobody_who_has_its_slot_now() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let watch = Watch::new(current_runtime(), Arc::new(Ready::<()>::default()));
        let late = || TimedOut::new(hour, Pid::NO_PROCESS, None, None);
        watch.set_limit(0, Pid::NO_PROCESS, hour);
        assert!(!watch.0.note_kill(0, Pid::NO_PROCESS, late()));
        assert!(watch.take_timed_out(0).is_none(), "the other one has not exceeded its own");
        assert!(watch.0.note_kill(0, Pid::NO_PROCESS, late()), "nobody else came");
        assert!(watch.take_timed_out(0).is_some());
    });
}
