use cordial::Runtime;
use cordial_observer::Observer;

use super::*;
use crate::top::state::TopState;

#[test]
fn a_program_that_was_started_again_is_shown_with_the_past_that_it_has() {
    let observed = Runtime::builder().workers(1).build().unwrap();
    let observer = Observer::builder().runtime(observed.inspector()).serve("127.0.0.1:0").unwrap();
    let address = Address::parse(&observer.url().unwrap(), None).unwrap();
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let fetching = async move {
        while get::<Overview>(&address, "/api/overview").await.unwrap().history.seconds.live.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut known = Some(("of an earlier start".to_owned(), Past::default()));
        let shown = screenful(&address, TopState::new().wanted, &mut known).await.unwrap();
        let (start, past) = known.unwrap();
        assert_eq!(start, shown.overview.program.start_id);
        assert!(!shown.past.live.is_empty());
        assert_eq!(past.live.len(), shown.past.live.len());
    };
    runtime.block_on(fetching).unwrap();
}
