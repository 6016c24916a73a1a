//! Changes how many commands run at once while the run lasts: by SIGUSR1 and SIGUSR2, and by the file of `-c`.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{self, MissedTickBehavior};

use super::pipeline::LAST_OUTPUT_TIMEOUT;
use crate::args::Concurrency;
use crate::blocking_io::Writer;
use crate::launch::SlotLimit;
use crate::system::{self, LimitChange, LimitSignals, StandardError};

/// The time between two reads of the file.
const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Adjusts the limit for as long as the future is polled. Never returns.
///
/// # Cancel safety
///
/// Dropping the future may cut off a message that is being printed.
pub(super) async fn adjust(limit: SlotLimit, mut signals: LimitSignals, concurrency: Concurrency) {
    let by_signals = async {
        loop {
            match signals.next().await {
                LimitChange::More => limit.set(limit.get().saturating_add(1)),
                LimitChange::Fewer => limit.set(limit.get().saturating_sub(1)),
            }
        }
    };
    let by_file = async {
        match &concurrency {
            // A pipe was read to its end at the start of the run.
            Concurrency::File(path) if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) => {
                follow_file(path, &concurrency, &limit).await;
            }
            _ => std::future::pending().await,
        }
    };
    tokio::join!(by_signals, by_file);
}

/// Reads the file at an interval, and sets the limit when the number in it has changed. If the file cannot be read, or contains no
/// number, the limit stays, and a message says so once.
async fn follow_file(path: &Path, concurrency: &Concurrency, limit: &SlotLimit) {
    let read = || concurrency.number(system::max_concurrency());
    let mut last = Ok(limit.get());
    let mut ticks = time::interval(FILE_CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = read();
        if now == last {
            continue;
        }
        match &now {
            Ok(number) => limit.set(*number),
            // Another program has truncated the file, and is about to write it.
            Err(_) if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) => continue,
            Err(message) => report(&format!("cordial: {message}; the limit stays {}\n", limit.get())).await,
        }
        last = now;
    }
}

async fn report(line: &str) {
    let write = async {
        let mut stderr = Writer::new(|| StandardError);
        stderr.write_all(line.as_bytes()).await?;
        stderr.flush().await
    };
    let _: Result<io::Result<()>, _> = time::timeout(LAST_OUTPUT_TIMEOUT, write).await;
}
