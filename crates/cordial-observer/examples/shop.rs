//! A shop to look at: a supervision tree, servers, a stream, tasks that crash, and a task that blocks its worker.
//! `SECONDS=600 cargo run -p cordial-observer --example shop` prints the address of its page; without `SECONDS` it ends after two seconds.
#![expect(clippy::print_stdout, reason = "an example prints")]
use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Backoff, ChildSpec, Restart, Strategy, Supervisor, Task, TaskSupervisor, process};
use cordial_observer::{ActionKind, Observer};
use std::{env, error::Error, process::ExitCode, time::Duration};
use tokio::time::sleep;

struct Stock;
struct Take(u64);
impl Server for Stock {}
impl Handle<Take> for Stock {
    type Reply = ();
    async fn handle(&mut self, Take(n): Take, _: &mut Context<Self>) {
        sleep(Duration::from_millis(n % 50)).await;
    }
}
/// Keeps a worker for two of three seconds: a long poll.
async fn report() {
    process::set_label("monthly report");
    loop {
        sleep(Duration::from_secs(1)).await;
        std::thread::sleep(Duration::from_secs(2));
    }
}
async fn bank() -> Result<(), &'static str> {
    sleep(Duration::from_secs(3)).await;
    Err("the bank closed the connection")
}
async fn pay(order: u64) {
    process::set_label(format!("pay order {order}"));
    sleep(Duration::from_millis(200 + order * 37 % 1500)).await;
    assert!(order % 97 != 13, "order {order} has no address");
}
fn main() -> ExitCode {
    cordial::main(async {
        let seconds = Duration::from_secs(env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2));
        let observer = Observer::builder().name("shop").allow_actions(ActionKind::ALL).serve("127.0.0.1:0")?;
        println!("{}", observer.url().unwrap_or_default());
        let backoff = Backoff::exponential(Duration::from_millis(500), Duration::from_secs(4));
        let back_office = ChildSpec::supervisor("back office", move || {
            Supervisor::builder(Strategy::OneForAll).child(ChildSpec::task("report", report))
        });
        let bank = ChildSpec::task("bank", bank).restart(Restart::Permanent).backoff(backoff);
        let shop = Supervisor::builder(Strategy::OneForOne).label("shop").child(back_office);
        let _shop = shop.child(bank).start().await?;
        let (stock, payments) = (ServerRef::start(|| Stock), TaskSupervisor::builder().label("payments").start());
        let orders = Task::async_stream(0..100_000, move |order| {
            let (stock, payments) = (stock.clone(), payments.clone());
            async move {
                _ = payments.start_child(pay(order));
                stock.call(Take(order)).await
            }
        });
        let mut orders = orders.max_concurrency(16);
        _ = tokio::time::timeout(seconds, async { while orders.next().await.is_some() {} }).await;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })
}
