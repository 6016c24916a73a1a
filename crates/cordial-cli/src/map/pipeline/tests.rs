use futures_util::stream;

use super::*;
use crate::item::{Item, Value};
use crate::item_failure::ItemFailure;
use crate::output::StdStream;
use crate::report::ProgressMode;

#[tokio::test]
async fn lines_that_arrive_while_a_result_is_taken_are_printed_before_it() {
    let config = LaunchConfig::of_words(&["true"]);
    let runner = ItemRunner {
        records: Arc::clone(&config.records),
        max_attempts: 1,
        budget: config.budget.clone(),
        stop: config.stop.clone(),
        halt: Arc::clone(&config.halt),
        print_queue: None,
        printed: None,
        launcher: Launcher::start(config).unwrap().0,
    };
    let (channel, lines) = LineChannel::new(false, None);
    let item = Arc::new(Item { index: 1, values: vec![Value::Whole(b"a".to_vec())], input: None });
    let failure = ItemFailure::NoResult("why".to_owned());
    let mut outcome = Some(Outcome::without_process(item, 1, 1, failure, &runner.budget));
    let results = stream::poll_fn(|_| {
        Poll::Ready(outcome.take().map(|outcome| {
            let lines = LineBatch { stream: StdStream::Stderr, bytes: b"line\n".to_vec() };
            channel.messages().try_send(lines).unwrap();
            Ok(outcome)
        }))
    });
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut printer = Printer::new(&mut stdout, &mut stderr, false, ProgressMode::Hidden);
    let (_sender, mut messages) = mpsc::channel(1);
    print_results(results, &mut Some(lines), &mut messages, Format::Plain, &runner, &mut printer).await.unwrap();
    drop(printer);
    assert_eq!(String::from_utf8(stderr).unwrap(), "line\ncordial: item 1 \"a\" failed: why\n");
}
