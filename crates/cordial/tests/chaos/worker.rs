//! The random behavior of a worker in each incarnation.

use std::future::pending;
use std::io;

use cordial::{Backoff, ChildSpec, Exit, Restart, Shutdown};
use tokio::time::sleep;

use crate::harness::{Harness, Kind, Path};

/// The message of every planned panic.
pub(crate) const PLANNED: &str = "planned";

/// A worker at this path.
pub(crate) fn worker(harness: &Harness, path: Path, id: String) -> ChildSpec {
    let of_child = harness.clone();
    let spec = if harness.one_in(2) {
        ChildSpec::task(id, move || {
            fail_at_once(&of_child);
            work(of_child.clone(), Some(path.clone()))
        })
    } else {
        ChildSpec::init(id, move || {
            fail_at_once(&of_child);
            let (harness, path) = (of_child.clone(), path.clone());
            async move {
                if harness.one_in(4) {
                    harness.count("worker was slow to start");
                    sleep(harness.time(3)).await;
                }
                if !harness.is_calm() && harness.one_in(15) {
                    harness.count("worker failed to start");
                    return Err(io::Error::other("no disk"));
                }
                Ok(work(harness, Some(path)))
            }
        })
    };
    let spec = spec.restart(match harness.random(6) {
        0 => Restart::Temporary,
        1 | 2 => Restart::Transient,
        _ => Restart::Permanent,
    });
    let spec = match harness.random(6) {
        0 => spec.shutdown(Shutdown::BrutalKill),
        1 => spec.shutdown(Shutdown::Infinity),
        2 => spec.shutdown(harness.time(1)),
        _ => spec.shutdown(harness.units(4)),
    };
    if harness.one_in(4) { spec.backoff(Backoff::exponential(harness.time(2), harness.units(4))) } else { spec }
}

fn fail_at_once(harness: &Harness) {
    if !harness.is_calm() && harness.one_in(30) {
        harness.count("factory panicked");
        panic!("{PLANNED}");
    }
}

/// The future of a worker or of a task.
pub(crate) async fn work(harness: Harness, path: Option<Path>) -> Result<(), Exit> {
    let _registration = harness.enter(path);
    let is_graceful = harness.one_in(3);
    let time = harness.time(20);
    if is_graceful {
        tokio::select! {
            biased;
            () = cordial::shutdown_requested() => {
                harness.count("worker used its grace time");
                sleep(harness.time(6)).await;
                return Ok(());
            }
            () = sleep(time) => {}
        }
    } else {
        sleep(time).await;
    }
    if harness.is_calm() {
        if is_graceful {
            cordial::shutdown_requested().await;
            return Ok(());
        }
        pending::<()>().await;
    }
    match harness.random(7) {
        0 => {
            harness.count("worker returned");
            Ok(())
        }
        1 => {
            harness.count("worker exited");
            cordial::exit(Exit::Shutdown(None)).await
        }
        2 | 3 => {
            harness.count("worker crashed");
            panic!("{PLANNED}");
        }
        4 if harness.kind == Kind::Threads => {
            harness.count("worker blocked");
            std::thread::sleep(harness.time(30));
            Err(Exit::from(io::Error::other("blocked")))
        }
        5 if harness.kind == Kind::Threads => {
            harness.count("worker spun");
            let begun = tokio::time::Instant::now();
            let with_checkpoint = harness.one_in(2);
            let time = harness.time(20);
            while begun.elapsed() < time {
                if with_checkpoint {
                    cordial::checkpoint();
                }
                std::hint::spin_loop();
            }
            Ok(())
        }
        // A process that has opted in must react to the request.
        _ if is_graceful => {
            cordial::shutdown_requested().await;
            Ok(())
        }
        _ => pending().await,
    }
}
