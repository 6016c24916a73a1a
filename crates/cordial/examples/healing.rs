//! Writes a count to redis and to PostgreSQL. Either may be unavailable for any time, because a child with a backoff is started again.
//! `REDIS=redis://127.0.0.1 POSTGRES='host=127.0.0.1 user=postgres' cargo run --example healing`
#![allow(clippy::print_stdout, dead_code, reason = "an example prints, and a test uses its `start`")]
use std::{env, time::Duration};

use cordial::{Backoff, ChildSpec, Exit, Strategy, Supervisor, Task};
use tokio::sync::watch::{self, Receiver};
use tokio::time::timeout;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
/// The limit of each request: a server that hangs never answers.
const LIMIT: Duration = Duration::from_secs(1);
/// The longest delay between two attempts to connect.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(2);
async fn redis(url: String, mut count: Receiver<u64>) -> Result<impl Future<Output = Result<()>>> {
    let mut server = timeout(LIMIT, redis::Client::open(url)?.get_multiplexed_async_connection()).await??;
    Ok(async move {
        loop {
            let n = *count.borrow_and_update();
            timeout(LIMIT, redis::cmd("SET").arg("count").arg(n).query_async::<()>(&mut server)).await??;
            count.changed().await?;
        }
    })
}
async fn postgres(url: String, mut count: Receiver<u64>) -> Result<impl Future<Output = Result<()>>> {
    let (server, connection) = timeout(LIMIT, tokio_postgres::connect(&url, tokio_postgres::NoTls)).await??;
    let connection = Task::spawn(connection);
    timeout(LIMIT, server.batch_execute("CREATE TABLE IF NOT EXISTS counts (n bigint)")).await??;
    Ok(async move {
        let _connection = connection;
        loop {
            let n = i64::try_from(*count.borrow_and_update())?;
            timeout(LIMIT, server.execute("INSERT INTO counts VALUES ($1)", &[&n])).await??;
            count.changed().await?;
        }
    })
}
/// Starts a child for each server that has an address. The caller counts, so the count goes on while a server is unavailable.
pub(crate) async fn start(urls: [Option<String>; 2], count: Receiver<u64>) -> Result<Supervisor> {
    let (backoff, [redis_url, postgres_url]) = (Backoff::exponential(Duration::from_millis(50), MAX_DELAY), urls);
    let (mut tree, copy) = (Supervisor::builder(Strategy::OneForOne), count.clone());
    if let Some(url) = redis_url {
        tree = tree.child(ChildSpec::init("redis", move || redis(url.clone(), copy.clone())).backoff(backoff));
    }
    if let Some(url) = postgres_url {
        tree = tree.child(ChildSpec::init("postgres", move || postgres(url.clone(), count.clone())).backoff(backoff));
    }
    Ok(tree.start().await?)
}
fn main() -> std::process::ExitCode {
    cordial::main(async {
        let (count, receiver) = watch::channel(0);
        let tree = start([env::var("REDIS").ok(), env::var("POSTGRES").ok()], receiver).await?;
        println!("counts for {} servers, until Ctrl-C", tree.count_children().await.specs);
        while tree.count_children().await.specs > 0 {
            count.send_modify(|count| *count += 1);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, Exit>(())
    })
}
