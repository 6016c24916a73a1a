//! Processes a table of an embedded database, 20 records at a time, and splits successes from failures.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use cordial::{Exit, Failure, Task};
use redb::{Database, ReadOnlyTable, ReadableTable, ReadableTableMetadata, TableDefinition};

type Failed = Box<dyn Error + Send + Sync>;
/// As somebody typed them: quantity x price.
const ORDERS: TableDefinition<'_, u64, &str> = TableDefinition::new("orders");
const TOTALS: TableDefinition<'_, u64, u64> = TableDefinition::new("totals");

fn filled(path: &Path) -> Result<Database, Failed> {
    let database = Database::create(path)?;
    let writing = database.begin_write()?;
    for id in 0..500 {
        let order = if id % 90 == 17 { format!("{id} x ten") } else { format!("{} x {}", 1 + id % 7, 99 + id) };
        writing.open_table(ORDERS)?.insert(id, &*order)?;
    }
    Ok(writing.commit().map(|()| database)?)
}

/// Asks somebody far away, as real work does.
async fn total((id, order): (u64, String)) -> Result<(u64, u64), Failed> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (quantity, price) = order.split_once(" x ").ok_or("not an order")?;
    Ok((id, quantity.parse::<u64>()? * price.parse::<u64>()?))
}

/// Reads as it is asked, record by record.
fn records(orders: &ReadOnlyTable<u64, &'static str>) -> Result<impl Iterator<Item = (u64, String)>, Failed> {
    Ok(orders.iter()?.flatten().map(|(id, order)| (id.value(), order.value().to_owned())))
}

async fn process(database: &Database) -> Result<(), Failed> {
    let orders = database.begin_read()?.open_table(ORDERS)?;
    let results = Task::async_stream(records(&orders)?, total).max_concurrency(20).or_exit().zip_input_on_exit();
    let (totals, failed) = results.partition().await;

    let writing = database.begin_write()?;
    for (id, total) in &totals {
        writing.open_table(TOTALS)?.insert(id, total)?;
    }
    writing.commit()?;
    println!("{} orders, {} totals", orders.len()?, database.begin_read()?.open_table(TOTALS)?.len()?);
    for Failure { input: (id, order), exit, .. } in failed {
        println!("order {id} ({order:?}) has none: {exit}");
    }
    Ok(())
}

fn main() -> Result<(), Exit> {
    cordial::run(async {
        let file = tempfile::NamedTempFile::new()?;
        Ok(process(&filled(file.path())?).await?)
    })?
}
