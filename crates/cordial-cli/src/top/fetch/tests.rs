use cordial::Runtime;
use cordial_observer::Observer;

use super::*;
use crate::top::state::TopState;

#[test]
fn the_past_of_an_earlier_start_is_replaced_when_the_program_is_started_again() {
    let observed = Runtime::builder().workers(1).build().unwrap();
    let observer = Observer::builder().runtime(observed.inspector()).serve("127.0.0.1:0").unwrap();
    let address = Address::parse(&observer.url().unwrap(), None).unwrap();
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let fetching = async move {
        let mut n_tries = 0;
        while get::<Overview>(&address, "/api/overview").await.unwrap().history.seconds.live.is_empty() {
            n_tries += 1;
            assert!(n_tries < 6000, "the observer has recorded no second");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut known = Some(("of an earlier start".to_owned(), RecentValues::default()));
        let shown = screenful(&address, TopState::new().wanted, &mut known).await.unwrap();
        let (start, past) = known.unwrap();
        assert_eq!(start, shown.overview.program.start_id);
        assert!(!shown.past.spawned.is_empty());
        assert_eq!(past.spawned.len(), shown.past.spawned.len());
    };
    runtime.block_on(fetching).unwrap();
}
