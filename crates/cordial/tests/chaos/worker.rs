//! What a worker does, one incarnation after the other.

use std::future::pending;
use std::io;

use cordial::{Backoff, ChildSpec, Exit, Restart, Shutdown};
use tokio::time::sleep;

use crate::ground::{Ground, Kind, Path};

/// The text of every panic here.
pub(crate) const MEANT: &str = "meant";

/// A worker of this path.
pub(crate) fn worker(ground: &Ground, path: Path, id: String) -> ChildSpec {
    let of_child = ground.clone();
    let spec = if ground.chance(2) {
        ChildSpec::task(id, move || {
            fail_at_once(&of_child);
            live(of_child.clone(), Some(path.clone()))
        })
    } else {
        ChildSpec::init(id, move || {
            fail_at_once(&of_child);
            let (ground, path) = (of_child.clone(), path.clone());
            async move {
                if ground.chance(4) {
                    ground.count("worker was slow to start");
                    sleep(ground.time(3)).await;
                }
                if !ground.is_calm() && ground.chance(15) {
                    ground.count("worker failed to start");
                    return Err(io::Error::other("no disk"));
                }
                Ok(live(ground, Some(path)))
            }
        })
    };
    let spec = spec.restart(match ground.dice(6) {
        0 => Restart::Temporary,
        1 | 2 => Restart::Transient,
        _ => Restart::Permanent,
    });
    let spec = match ground.dice(6) {
        0 => spec.shutdown(Shutdown::BrutalKill),
        1 => spec.shutdown(Shutdown::Infinity),
        2 => spec.shutdown(ground.time(1)),
        _ => spec.shutdown(ground.units(4)),
    };
    if ground.chance(4) { spec.backoff(Backoff::exponential(ground.time(2), ground.units(4))) } else { spec }
}

fn fail_at_once(ground: &Ground) {
    if !ground.is_calm() && ground.chance(30) {
        ground.count("factory panicked");
        panic!("{MEANT}");
    }
}

/// The life of a worker, or of a task.
pub(crate) async fn live(ground: Ground, path: Option<Path>) -> Result<(), Exit> {
    let _presence = ground.enter(path);
    let lingers = ground.chance(3);
    let time = ground.time(20);
    if lingers {
        tokio::select! {
            biased;
            () = cordial::shutdown_requested() => {
                ground.count("worker lingered");
                sleep(ground.time(6)).await;
                return Ok(());
            }
            () = sleep(time) => {}
        }
    } else {
        sleep(time).await;
    }
    if ground.is_calm() {
        if lingers {
            cordial::shutdown_requested().await;
            return Ok(());
        }
        pending::<()>().await;
    }
    match ground.dice(7) {
        0 => {
            ground.count("worker returned");
            Ok(())
        }
        1 => {
            ground.count("worker exited");
            cordial::exit(Exit::Shutdown(None)).await
        }
        2 | 3 => {
            ground.count("worker crashed");
            panic!("{MEANT}");
        }
        4 if ground.kind == Kind::Threads => {
            ground.count("worker blocked");
            std::thread::sleep(ground.time(30));
            Err(Exit::from(io::Error::other("blocked")))
        }
        5 if ground.kind == Kind::Threads => {
            ground.count("worker spun");
            let begun = tokio::time::Instant::now();
            let with_checkpoint = ground.chance(2);
            let time = ground.time(20);
            while begun.elapsed() < time {
                if with_checkpoint {
                    cordial::checkpoint();
                }
                std::hint::spin_loop();
            }
            Ok(())
        }
        // Who has asked to be told once has to listen.
        _ if lingers => {
            cordial::shutdown_requested().await;
            Ok(())
        }
        _ => pending().await,
    }
}
