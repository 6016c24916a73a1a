use std::pin::Pin;
use std::task::Context;

use futures_util::stream;

use super::*;
use crate::item::{Item, Value};
use crate::item_failure::ItemFailure;
use crate::output::StdStream;
use crate::report::ProgressMode;

/// Returns what runs the items, for tests in which no command is started.
fn runner() -> ItemRunner {
    let config = LaunchConfig::of_words(&["true"]);
    ItemRunner {
        records: Arc::clone(&config.records),
        max_attempts: 1,
        budget: config.budget.clone(),
        stop: config.stop.clone(),
        halt: Arc::clone(&config.halt),
        print_queue: None,
        printed: None,
        launcher: Launcher::start(config).unwrap().0,
    }
}

/// Returns the outcome of an item that has failed.
fn failed(runner: &ItemRunner) -> Outcome {
    let item = Arc::new(Item { index: 1, values: vec![Value::Whole(b"a".to_vec())], input: None });
    Outcome::without_process(item, 1, 1, ItemFailure::NoResult("why".to_owned()), &runner.budget)
}

fn line() -> LineBatch {
    LineBatch { stream: StdStream::Stderr, bytes: b"line\n".to_vec() }
}

#[tokio::test]
async fn lines_that_arrive_while_a_result_is_taken_are_printed_before_it() {
    let runner = runner();
    let (channel, lines) = LineChannel::new(false, None);
    let mut outcome = Some(failed(&runner));
    let results = stream::poll_fn(|_| {
        Poll::Ready(outcome.take().map(|outcome| {
            channel.messages().try_send(line()).unwrap();
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

/// An output that is slower than the command: each time it accepts a line, the command has already sent the next one.
struct SlowOutput {
    lines: mpsc::Sender<LineBatch>,
    n_lines: usize,
    /// How many lines were written before the message about the failed item.
    n_before_failure: Option<usize>,
}

impl AsyncWrite for &mut SlowOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match bytes {
            b"line\n" => this.n_lines += 1,
            _ => this.n_before_failure = Some(this.n_lines),
        }
        // The command ends after 1000 lines: if the result waits for that end, the test fails, and does not hang.
        if this.n_lines < 1000 {
            let _ = this.lines.try_send(line());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn results_do_not_wait_for_the_end_of_a_command_that_writes_faster_than_its_lines_are_printed() {
    let runner = runner();
    let (channel, lines) = LineChannel::new(false, None);
    channel.messages().try_send(line()).unwrap();
    let mut stderr = SlowOutput { lines: channel.messages(), n_lines: 0, n_before_failure: None };
    let results = stream::iter([Ok(failed(&runner))]);
    let mut printer = Printer::new(Vec::new(), &mut stderr, false, ProgressMode::Hidden);
    let (_sender, mut messages) = mpsc::channel(1);
    print_results(results, &mut Some(lines), &mut messages, Format::Plain, &runner, &mut printer).await.unwrap();
    drop(printer);
    assert!(stderr.n_before_failure.is_some_and(|n| n < 100), "{:?} lines", stderr.n_before_failure);
}
