//! The example `redis_keeper` with a real server that is killed while commands wait.

use std::time::Duration;

use cordial::{Exit, Runtime, Task, process};
use tokio::sync::oneshot;

use crate::redis_keeper::{Increment, start};
use crate::server::{Kind, Server};

/// Longer than any step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How many commands are sent while the server is away.
const COMMANDS: u64 = 20;

pub(crate) fn run() {
    if Kind::Redis.program().is_none() {
        println!("redis_keeper: SKIPPED: no redis server is installed (Debian: redis-server)");
        return;
    }
    let mut server = Server::start(Kind::Redis);
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let address = server.address();
    // The server may not listen yet. The tree belongs to the process that starts it.
    let started = runtime.block_on(async move {
        let (started, keeper) = oneshot::channel();
        Task::start(async move {
            let (redis, tree) = start(address).await?;
            let _ = started.send((redis, tree.pid()));
            Err::<(), Exit>(tree.ended().await)
        });
        let (redis, supervisor) = keeper.await.unwrap();
        let first = redis.call(Increment("visits")).timeout(LIMIT).await;
        assert_eq!([first, redis.call(Increment("visits")).timeout(LIMIT).await], [Ok(Some(1)), Ok(Some(2))]);
        (redis, supervisor)
    });
    let (redis, supervisor) = started.unwrap();
    server.kill();
    let waiting = runtime.block_on(async move {
        let calls: Vec<_> = (0..COMMANDS)
            .map(|_| {
                let redis = redis.clone();
                Task::spawn(async move { redis.call(Increment("visits")).timeout(LIMIT).await }).timeout(LIMIT)
            })
            .collect();
        // The server is away for longer than the first delays of the backoff.
        tokio::time::sleep(Duration::from_secs(1)).await;
        calls
    });
    server.begin();
    let (replies, is_alive) = runtime
        .block_on(async move {
            let replies = Task::await_many(waiting.unwrap()).timeout(LIMIT).await.unwrap();
            (replies, process::info(supervisor).is_some())
        })
        .unwrap();
    // The first one finds that the connection is broken. The server that was killed has lost its count, so the others count from 1.
    let mut replies: Vec<Option<u64>> =
        replies.into_iter().map(|reply| reply.expect("each call is answered")).collect();
    replies.sort_unstable();
    assert_eq!(replies, [None].into_iter().chain((1..COMMANDS).map(Some)).collect::<Vec<_>>());
    assert!(is_alive, "the supervisor has given up");
}
