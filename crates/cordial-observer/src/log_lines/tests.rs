use cordial::Task;
use tracing_subscriber::layer::SubscriberExt;

use super::{LogLines, MAX_BYTES, MAX_LINE};
use crate::clock::Clock;

/// Runs a future in a simulation whose tracing subscriber has `LogLines` as a layer. Returns that layer and the output of the future.
fn logged<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> (LogLines, T) {
    let lines = LogLines::new();
    let subscriber = tracing_subscriber::registry().with(lines.clone());
    let value = tracing::subscriber::with_default(subscriber, || cordial::testing::run(future));
    (lines, value)
}

#[test]
fn each_process_has_its_own_last_lines() {
    let (lines, (one, other)) = logged(async {
        let log = |name: &'static str, n: u32| {
            Task::spawn(async move {
                for index in 0..n {
                    tracing::info!(index, text = "a \"b\"", "{name} works");
                }
            })
        };
        let (one, other) = (log("one", 2), log("other", 30));
        let pids = (one.pid(), other.pid());
        one.await.unwrap();
        other.await.unwrap();
        pids
    });
    let texts = |pid| lines.of(pid, &Clock::new()).into_iter().map(|line| line.text).collect::<Vec<String>>();
    assert_eq!(texts(one), ["one works index=0 text=a \"b\"", "one works index=1 text=a \"b\""]);
    let of_other = texts(other);
    assert_eq!((of_other.len(), &*of_other[0]), (20, "other works index=10 text=a \"b\""), "the last ones");
    let line = &lines.of(one, &Clock::new())[0];
    assert_eq!((&*line.level, line.target.contains("log_lines")), ("info", true));
}

#[test]
fn lines_take_a_bounded_amount_of_memory() {
    let (lines, pid) = logged(async {
        let long = "é".repeat(MAX_LINE);
        for n in 0..5000 {
            tracing::info!(long, "line {n}");
        }
        cordial::process::current().unwrap()
    });
    let last = lines.of(pid, &Clock::new()).pop().unwrap();
    assert!(last.text.starts_with("line 4999 long=é") && last.text.len() <= MAX_LINE, "{} bytes", last.text.len());
    let ring = lines.lock().unwrap();
    assert!(ring.bytes <= MAX_BYTES && ring.bytes > MAX_BYTES / 2, "{} bytes", ring.bytes);
    assert_eq!(ring.bytes, ring.lines.iter().map(super::Line::bytes).sum::<usize>());
}

#[test]
fn an_event_outside_of_a_process_is_left_out() {
    let lines = LogLines::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), || tracing::info!("outside"));
    assert!(lines.lock().unwrap().lines.is_empty());
}

#[test]
fn the_start_and_the_crash_of_a_process_are_no_lines_of_its_log() {
    let (lines, pid) = logged(async {
        let task = Task::spawn(async {
            tracing::info!(name: "stop", target: "cordial_shop", "the last words");
            panic!("no luck");
        });
        let pid = task.pid();
        task.await.map(|never: ()| never).unwrap_err();
        pid
    });
    let texts: Vec<String> = lines.of(pid, &Clock::new()).into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["the last words"]);
}
