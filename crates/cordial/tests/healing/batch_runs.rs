//! The example `batch` with a real server: what it writes, what a second run does, and what a lost connection or a request to shut
//! down ends.

use std::time::Duration;

use cordial::{Exit, Runtime, Task, process};

use crate::batch::{BoxError, connect, run as run_batch};
use crate::server::{Kind, Server};

/// Runs the example several times with one server.
pub(crate) fn run() {
    if Kind::Postgres.program().is_none() {
        println!("batch: SKIPPED: no PostgreSQL server is installed (Debian: postgresql)");
        return;
    }
    let mut server = Server::start(Kind::Postgres);
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let address = server.address();
    let ran = runtime.block_on(async move {
        while connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (n_written, failed) = run_batch(&address).await?;
        assert_eq!((n_written, failed.len()), (494, 6), "{failed:?}");
        assert_eq!(failed[0], "order 17 (\"17 x ten\") has no total: invalid digit found in string");

        // A second run takes the orders without a total, and those are the ones that have failed.
        assert_eq!(run_batch(&address).await?, (0, failed));

        // A request to shut down ends the run early. As many totals are there as it reports.
        let (client, _connection) = connect(&address).await?;
        client.batch_execute("TRUNCATE totals").await?;
        let count = "SELECT count(*) FROM totals";
        let own = address.clone();
        let batch = Task::spawn(async move { run_batch(&own).await }).timeout(Duration::from_secs(60));
        while !batch.is_finished() && client.query_one(count, &[]).await?.get::<_, i64>(0) == 0 {}
        process::exit(batch.pid(), Exit::Shutdown(None));
        let (n_written, _) = batch.await.unwrap()?;
        assert_eq!(client.query_one(count, &[]).await?.get::<_, i64>(0), i64::try_from(n_written)?);

        // A server that is killed ends the run with an error, and loses nothing.
        client.batch_execute("TRUNCATE totals").await?;
        let own = address.clone();
        let batch = Task::spawn(async move { run_batch(&own).await }).timeout(Duration::from_secs(60));
        while !batch.is_finished() && client.query_one(count, &[]).await?.get::<_, i64>(0) == 0 {}
        Ok::<_, BoxError>((batch, address))
    });
    let (batch, address) = ran.unwrap().unwrap();
    server.kill();
    let killed = runtime.block_on(batch).unwrap().unwrap();
    server.begin();
    let ran = runtime.block_on(async move {
        let connected = async {
            loop {
                match connect(&address).await {
                    Ok(connected) => return connected,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let (client, _connection) = connected.await;
        let n_before = client.query_one("SELECT count(*) FROM totals", &[]).await?.get::<_, i64>(0);
        let (n_written, failed) = run_batch(&address).await?;
        assert_eq!((n_before + i64::try_from(n_written)?, failed.len()), (494, 6));
        Ok::<_, BoxError>(n_before)
    });
    let n_before = ran.unwrap().unwrap();
    match killed {
        // With luck the run was over before.
        Ok((n_written, _)) => assert_eq!((n_written, n_before), (494, 494)),
        Err(error) => println!("batch: the run whose server was killed ended: {error}"),
    }
}
