//! Processes the records of an embedded database, 20 at a time, and separates successes from failures.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, path::Path, time::Duration};

use cordial::{Failure, Task};
use futures::stream;
use redb::{Database, ReadOnlyTable, ReadableTable, ReadableTableMetadata, StorageError, TableDefinition};

type BoxError = Box<dyn Error + Send + Sync>;
type Record = Result<(u64, String), StorageError>;
/// The text of an order is `quantity x price`. Some orders are malformed.
const ORDERS: TableDefinition<'_, u64, &str> = TableDefinition::new("orders");
const TOTALS: TableDefinition<'_, u64, u64> = TableDefinition::new("totals");

fn create_database(path: &Path) -> Result<Database, BoxError> {
    let database = Database::create(path)?;
    let writing = database.begin_write()?;
    for id in 0..500 {
        let order = if id % 90 == 17 { format!("{id} x ten") } else { format!("{} x {}", 1 + id % 7, 99 + id) };
        writing.open_table(ORDERS)?.insert(id, &*order)?;
    }
    Ok(writing.commit().map(|()| database)?)
}

/// Stands for a request to a remote service.
async fn total((id, order): (u64, String)) -> Result<(u64, u64), BoxError> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (quantity, price) = order.split_once(" x ").ok_or("not an order")?;
    Ok((id, quantity.parse::<u64>()? * price.parse::<u64>()?))
}

/// Reads the records one by one, when the stream pulls them.
fn records(orders: &ReadOnlyTable<u64, &'static str>) -> Result<impl Iterator<Item = Record>, StorageError> {
    Ok(orders.iter()?.map(|record| record.map(|(id, order)| (id.value(), order.value().to_owned()))))
}
async fn process(database: &Database) -> Result<(), BoxError> {
    let orders = database.begin_read()?.open_table(ORDERS)?;
    let results = Task::try_async_stream_from(stream::iter(records(&orders)?), total).max_concurrency(20);
    let (totals, failed) = results.or_exit().zip_input_on_exit().partition().await;

    let writing = database.begin_write()?;
    for (id, total) in &totals {
        writing.open_table(TOTALS)?.insert(id, total)?;
    }
    writing.commit()?;
    println!("{} orders, {} totals", orders.len()?, database.begin_read()?.open_table(TOTALS)?.len()?);
    for Failure { input, exit, .. } in failed {
        let Some((id, order)) = input else { return Err(exit.into()) }; // the database itself has failed
        println!("order {id} ({order:?}) has no total: {exit}");
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let file = tempfile::NamedTempFile::new()?;
        process(&create_database(file.path())?).await
    })
}
