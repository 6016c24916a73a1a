//! A port from tokio: a `JoinSet` with a `Semaphore` and a `CancellationToken` becomes a stream and a request to shut down.
//!
//! Mirrors pages, four at a time. After Ctrl-C it finishes those that it has begun. The test runs on the virtual clock.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::process::ExitCode;
use std::time::Duration;

use cordial::{Exit, Task};
use futures::{StreamExt, stream};
use tokio::time::sleep;

/// Stands for a download.
async fn mirror(page: u32) -> Result<u32, String> {
    sleep(Duration::from_millis(100)).await;
    if page % 10 == 7 { Err(format!("page {page} is gone")) } else { Ok(1000 * page) }
}

/// Returns the bytes of the pages that were mirrored, and how many failed.
async fn mirror_all(pages: impl Iterator<Item = u32> + Send) -> (u32, usize) {
    // Before: `token.cancelled()` in each loop, and a clone of the token for each function.
    let until_shutdown = stream::iter(pages).take_until(Box::pin(cordial::shutdown_requested()));
    // Before: `semaphore.acquire_owned().await`, then `set.spawn(..)`, then `set.join_next().await` in a `select!`.
    let mirrored = Task::async_stream_from(until_shutdown, mirror).max_concurrency(4).unordered().or_exit();
    let (sizes, failed) = mirrored.partition().await;
    (sizes.iter().sum(), failed.len())
}

fn main() -> ExitCode {
    cordial::main(async {
        let (bytes, n_failed) = mirror_all(0..20).await;
        println!("mirrored {bytes} bytes; {n_failed} pages failed");
        Ok::<(), Exit>(())
    })
}

#[cfg(test)]
mod tests {
    use cordial::testing;

    use super::*;

    #[test]
    fn pages_that_were_begun_are_finished_after_a_request_to_shut_down() {
        testing::run(async {
            let hour = Duration::from_secs(3600);
            let mut mirroring = Task::spawn(mirror_all(0..)).timeout(hour);
            assert!(mirroring.yield_for(Duration::from_millis(250)).await.is_none());
            // Two rounds of four are done, and the third has begun: 0 to 11, without 7.
            assert_eq!(mirroring.shutdown(hour).await.unwrap().unwrap(), (59_000, 1));
        });
    }
}
