//! The outages, and what must be true after each.

use std::panic::resume_unwind;
use std::time::Duration;

use cordial::{Runtime, Task, process};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::healing::{MAX_DELAY, start};
use crate::server::{Kind, Server};

const SECOND: Duration = Duration::from_secs(1);

/// How long the attempt after the longest delay may take, in the fastest quarter of all outages.
const ATTEMPT: Duration = SECOND;

/// How long the service may take to heal after any single outage. On a busy machine several attempts may exceed their limit.
const HEALED_WITHIN: Duration = Duration::from_secs(120);

/// How a server becomes unavailable.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// It hangs: its connections stay open, and nothing answers.
    Frozen(Duration),
    /// It is shut down properly, and starts again.
    ShutDown(Duration),
    /// It is killed, and starts again.
    Killed(Duration),
}

/// The outages of each server, one list for each that runs at the same time.
const LISTS: [&[Outage]; 3] = [
    &[
        Outage::Frozen(SECOND),
        Outage::ShutDown(SECOND),
        Outage::Killed(Duration::ZERO),
        Outage::Frozen(Duration::from_secs(5)),
        Outage::ShutDown(Duration::from_secs(5)),
        Outage::Killed(SECOND),
    ],
    &[Outage::Frozen(Duration::from_secs(30))],
    &[Outage::ShutDown(Duration::from_secs(30))],
];

/// Runs all lists at once. On a busy machine attempts may be slow; some are not.
pub(crate) fn run() {
    let mut threads = Vec::new();
    for kind in [Kind::Redis, Kind::Postgres] {
        if kind.program().is_none() {
            println!("healing: SKIPPED: no {kind:?} server is installed (Debian: redis-server, postgresql)");
            continue;
        }
        threads.extend(LISTS.map(|list| {
            #[expect(clippy::disallowed_methods, reason = "the thread that starts a server outlives it")]
            std::thread::spawn(move || outages(kind, list))
        }));
    }
    let healed_after = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
    let mut healed_after: Vec<Duration> = healed_after.flatten().collect();
    healed_after.sort_unstable();
    if let Some(of_fast) = healed_after.get(healed_after.len() / 4) {
        assert!(*of_fast <= MAX_DELAY + ATTEMPT, "{healed_after:?}");
    }
}

/// Runs the example with a server of its own, which becomes unavailable in each of these ways, one after another. Returns how long
/// it took to heal after each.
fn outages(kind: Kind, list: &'static [Outage]) -> Vec<Duration> {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let mut server = Server::start(kind);
    let address = server.address();
    let (count, receiver) = watch::channel(0_u64);
    let servers = match kind {
        Kind::Redis => [Some(address.clone()), None],
        Kind::Postgres => [None, Some(address.clone())],
    };
    // The server may not listen yet: the first start is paced as well. The tree belongs to the process that starts it.
    let supervisor = runtime.block_on(async move {
        let (started, supervisor) = oneshot::channel();
        Task::start(async move {
            let tree = start(servers, receiver).await.unwrap();
            started.send(tree.pid()).unwrap();
            tree.ended().await;
        });
        timeout(HEALED_WITHIN, supervisor).await.unwrap().unwrap()
    });
    let supervisor = supervisor.unwrap();
    let mut times = Vec::new();
    for outage in list {
        match *outage {
            Outage::Frozen(time) => {
                server.freeze();
                runtime.block_on(count_for(count.clone(), time)).unwrap();
                server.resume();
            }
            Outage::ShutDown(time) => {
                server.shut_down();
                runtime.block_on(count_for(count.clone(), time)).unwrap();
                server.begin();
            }
            Outage::Killed(time) => {
                server.kill();
                runtime.block_on(count_for(count.clone(), time)).unwrap();
                server.begin();
            }
        }
        let (address, count) = (address.clone(), count.clone());
        let healed_after = runtime.block_on(async move {
            let started = Instant::now();
            while read(kind, &address).await.is_none() {
                sleep(Duration::from_millis(20)).await;
                assert!(started.elapsed() <= HEALED_WITHIN, "{kind:?} {outage:?}: the server does not answer");
            }
            // The time counts from when the server answers again.
            let back = Instant::now();
            let expected = *count.borrow() + 1;
            while read(kind, &address).await < Some(expected) {
                count.send_modify(|count| *count += 1);
                sleep(Duration::from_millis(20)).await;
                assert!(back.elapsed() <= HEALED_WITHIN, "{kind:?} {outage:?}: the service has not healed");
            }
            back.elapsed()
        });
        let healed_after = healed_after.unwrap();
        println!("healing: {kind:?} {outage:?}: healed after {healed_after:?}");
        times.push(healed_after);
        let is_alive = runtime.block_on(async move { process::info(supervisor).is_some() });
        assert!(is_alive.unwrap(), "{kind:?} {outage:?}: the supervisor has given up");
    }
    times
}

/// Counts up for this long. The count belongs to the test and not to the server, so it goes on while the server is away.
async fn count_for(count: watch::Sender<u64>, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        count.send_modify(|count| *count += 1);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Reads the greatest count that the server has. `None` if it does not answer.
async fn read(kind: Kind, address: &str) -> Option<u64> {
    let limit = 10 * SECOND;
    match kind {
        Kind::Redis => timeout(limit, read_redis(address)).await.ok()?,
        Kind::Postgres => timeout(limit, read_postgres(address)).await.ok()?,
    }
}

/// A server that was killed has no count: 0.
async fn read_redis(address: &str) -> Option<u64> {
    let mut server = redis::Client::open(address).unwrap().get_multiplexed_async_connection().await.ok()?;
    let count: Option<u64> = redis::cmd("GET").arg("count").query_async(&mut server).await.ok()?;
    Some(count.unwrap_or_default())
}

async fn read_postgres(address: &str) -> Option<u64> {
    let (server, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await.ok()?;
    let _connection = Task::spawn(connection);
    let row = server.query_one("SELECT coalesce(max(n), 0) FROM counts", &[]).await.ok()?;
    u64::try_from(row.get::<_, i64>(0)).ok()
}
