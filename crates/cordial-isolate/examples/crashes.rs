//! Runs functions that crash, compute forever, and need too much memory; the program goes on.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::process::ExitCode;
use std::time::Duration;

use cordial::Exit;
use cordial_isolate::{Function, Functions, Pool};

const SUM: Function<Vec<u32>, u64> = Function::new("sum");
const ABORT: Function<(), ()> = Function::new("abort");
const PANIC: Function<(), ()> = Function::new("panic");
const SPIN: Function<(), ()> = Function::new("spin");
const ALLOCATE: Function<usize, usize> = Function::new("allocate");

fn functions() -> Functions {
    Functions::new()
        .add_blocking(SUM, |numbers: Vec<u32>| numbers.into_iter().map(u64::from).sum())
        .add_blocking(ABORT, |()| std::process::abort())
        .add_blocking(PANIC, |()| panic!("no luck"))
        .add_blocking(SPIN, |()| {
            loop {
                std::hint::spin_loop();
            }
        })
        .add_blocking(ALLOCATE, |bytes| std::hint::black_box(vec![1u8; bytes]).len())
}

fn show(what: &str, result: Result<impl std::fmt::Debug, Exit>) {
    match result {
        Ok(output) => println!("{what}: {output:?}"),
        Err(exit) => println!("{what}: {exit:#}"),
    }
}

fn main() -> ExitCode {
    // The first line: a worker process is this program, started again, and does not get past it.
    cordial_isolate::main(functions(), async {
        let limits = Pool::builder().workers(2).memory(64 << 20).cpu_time(Duration::from_millis(500));
        let pool = limits.start()?;
        show("a sum", pool.call(SUM, vec![1, 2, 3]).await);
        show("a panic", pool.call(PANIC, ()).await);
        show("a crash", pool.call(ABORT, ()).await);
        show("too much memory", pool.call(ALLOCATE, 256 << 20).await);
        show("too much processor time", pool.call(SPIN, ()).await);
        show("an await with a limit", pool.call(SPIN, ()).timeout(Duration::from_millis(50)).await);

        let sums = pool.async_stream(SUM, (0..8).map(|n| vec![n; 1000])).collect().await;
        println!("eight sums: {:?}", sums.into_iter().map(Result::ok).collect::<Vec<_>>());
        let statistics = pool.statistics();
        println!("{} calls, {} of them lost", statistics.calls, statistics.lost);
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
