//! A server that owns a connection to redis: when the connection breaks, the supervisor restarts the server, which connects
//! again. The commands in its mailbox are not lost. `REDIS=redis://127.0.0.1 cargo run --example redis_keeper`
#![allow(clippy::print_stdout, dead_code, reason = "an example prints, and a test uses its `start`")]

use std::{env, time::Duration};

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Backoff, ChildSpec, Exit, Strategy, Supervisor};
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

/// The limit of each request: a busy server answers before, and one that hangs never does.
const LIMIT: Duration = Duration::from_secs(4);

pub(crate) struct Redis(String, Option<MultiplexedConnection>);
pub(crate) struct Increment(pub(crate) &'static str);

impl Server for Redis {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        let client = redis::Client::open(&*self.0).map_err(|error| error.to_string())?;
        let connection = timeout(LIMIT, client.get_multiplexed_async_connection()).await;
        self.1 = Some(connection.map_err(|_| "redis does not answer")?.map_err(|error| error.to_string())?);
        Ok(())
    }
}

impl Handle<Increment> for Redis {
    type Reply = Option<u64>;
    async fn handle(&mut self, Increment(key): Increment, ctx: &mut Context<Self>) -> Option<u64> {
        let answer = timeout(LIMIT, redis::cmd("INCR").arg(key).query_async(self.1.as_mut()?)).await;
        if !matches!(answer, Ok(Ok(_))) {
            ctx.stop(Exit::from("the connection is broken")); // this command fails, the next ones wait for a new connection
        }
        answer.ok()?.ok()
    }
}

/// Starts the server under a supervisor, which tries to connect for as long as it takes.
pub(crate) async fn start(url: String) -> Result<(ServerRef<Redis>, Supervisor), Exit> {
    let (redis, child) = ChildSpec::server("redis", move || Redis(url.clone(), None));
    let child = child.backoff(Backoff::exponential(Duration::from_millis(50), LIMIT / 2));
    Ok((redis, Supervisor::builder(Strategy::OneForOne).child(child).start().await?))
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let Ok(url) = env::var("REDIS") else {
            println!("set REDIS to the address of a server");
            return Ok(());
        };
        let (redis, _tree) = start(url).await?;
        for _ in 0..100 {
            println!("{:?}", redis.call(Increment("visits")).timeout(15 * LIMIT).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, Exit>(())
    })
}
