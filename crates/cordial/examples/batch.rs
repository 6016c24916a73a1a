//! Computes the totals of orders in PostgreSQL, twenty at a time. An order that fails does not affect the others, a lost connection
//! ends the run, and after Ctrl-C the orders that have begun are finished. The next run takes the orders without a total.
//! `POSTGRES='host=127.0.0.1 user=postgres connect_timeout=5 tcp_user_timeout=60000' cargo run --example batch`
#![allow(clippy::print_stdout, dead_code, reason = "an example prints, and a test uses its functions")]
use std::{env, error::Error, process::ExitCode, sync::Arc, time::Duration};

use cordial::{Failure, Task};
use futures::StreamExt;
use tokio_postgres::{Client, NoTls};
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, content text NOT NULL);
    CREATE TABLE IF NOT EXISTS totals (id bigint PRIMARY KEY, total bigint NOT NULL);
    INSERT INTO orders SELECT id, id % 7 + 1 || ' x ' || 99 + id FROM generate_series(1, 500) AS id ON CONFLICT DO NOTHING;
    UPDATE orders SET content = id || ' x ten' WHERE id % 90 = 17";
const OPEN: &str = "SELECT id, content FROM orders WHERE id NOT IN (SELECT id FROM totals) ORDER BY id";
const INSERT: &str = "INSERT INTO totals VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Connects. The task drives the connection until the client is dropped; if the connection fails, the requests of the client fail.
pub(crate) async fn connect(url: &str) -> Result<(Client, Task<Result<(), tokio_postgres::Error>>), BoxError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    Ok((client, Task::spawn(connection)))
}
fn total(order: &str) -> Result<i64, BoxError> {
    let (quantity, price) = order.split_once(" x ").ok_or("not an order")?;
    Ok(quantity.parse::<i64>()?.checked_mul(price.parse()?).ok_or("too large")?)
}
/// Returns how many totals were written, and the orders that have failed.
pub(crate) async fn run(url: &str) -> Result<(usize, Vec<String>), BoxError> {
    // A connection of its own for the orders: they arrive one by one, while totals are written over the other one.
    let ((reader, _reads), (writer, _writes)) = (connect(url).await?, connect(url).await?);
    writer.batch_execute(SCHEMA).await?;
    let (insert, writer) = (writer.prepare(INSERT).await?, Arc::new(writer));
    let rows = reader.query_raw(OPEN, [0_i64; 0]).await?.take_until(cordial::shutdown_requested());
    let orders = rows.map(|row| row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))));
    let write = |(id, order): (i64, String)| {
        let (writer, insert) = (writer.clone(), insert.clone());
        async move { Ok::<_, BoxError>(writer.execute(&insert, &[&id, &total(&order)?]).await?) }
    };
    let written = Task::try_async_stream_from(orders, write).max_concurrency(20).timeout(Duration::from_secs(10));
    let (written, failed) = written.label(|order| format!("{order:?}")).or_exit().zip_input_on_exit().partition().await;
    let text = |Failure { input, exit, .. }| match input {
        Some((id, order)) => Ok(format!("order {id} ({order:?}) has no total: {exit}")),
        None => Err(exit), // the failure of the reader
    };
    if writer.is_closed() {
        return Err("the connection for the totals was lost".into());
    }
    Ok((written.len(), failed.into_iter().map(text).collect::<Result<_, _>>()?))
}
fn main() -> ExitCode {
    cordial::main(async {
        let Ok(url) = env::var("POSTGRES") else {
            println!("set POSTGRES to the address of a server");
            return Ok(());
        };
        let (n_written, failed) = run(&url).await?;
        println!("{n_written} totals written, {} orders failed\n{}", failed.len(), failed.join("\n"));
        Ok::<_, BoxError>(())
    })
}
