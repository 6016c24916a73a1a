//! A program under load, for pictures: every view has many rows, and one or two of them show that something is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Backoff, ChildSpec, Restart, Supervisor, Task, TaskSet, process};
use tokio::time::sleep;

/// A server whose messages take this long.
struct Slow(Duration);

struct Page;

impl Server for Slow {}

impl Handle<Page> for Slow {
    type Reply = ();

    async fn handle(&mut self, _: Page, _: &mut Context<Self>) {
        sleep(self.0).await;
    }
}

/// Starts the processes of all views. Children start under `tree`.
pub(crate) async fn start(tree: &Supervisor) {
    servers();
    task_sets();
    connections();
    streams();
    failures(tree).await;
}

/// Forty servers. The mailbox of the first is full, and that of the second is two thirds full.
fn servers() {
    Task::start(async {
        let mut kept = Vec::new();
        for n in 0..40 {
            let time = Duration::from_millis(if n < 2 { 10_000_000 } else { 20 });
            let label = match n {
                0 => "printer of the warehouse in the north-east, which has a long name".to_owned(),
                1 => "mailer".to_owned(),
                n => format!("cache {n}"),
            };
            let server = ServerRef::builder(move || Slow(time)).label(label).mailbox(120).start();
            let messages = match n {
                0 => 140,
                1 => 81,
                n => n % 4,
            };
            for _ in 0..messages {
                let server = server.clone();
                Task::start(async move { _ = server.cast(Page).await });
            }
            kept.push(server);
        }
        std::future::pending::<()>().await;
    });
}

/// Thirty sets. The first has many tasks, and most tasks of the second crash.
fn task_sets() {
    for n in 0..30_u64 {
        Task::start(async move {
            process::set_label(match n {
                0 => "import of all orders of the last year, with their invoices and receipts".to_owned(),
                n => format!("batch {n}"),
            });
            let mut set = TaskSet::new();
            for item in 0..if n == 0 { 5000 } else { 20 } {
                set.spawn(async move {
                    match n {
                        1 if item < 15 => panic!("the receipt has no number"),
                        _ if item % 2 == 0 => {}
                        _ => std::future::pending().await,
                    }
                });
            }
            while set.next().await.is_some() {}
        });
    }
}

/// Four hundred connections; the first is busy, and the second has an address that is long.
fn connections() {
    for n in 0..400_u64 {
        Task::start(async move {
            let requests = Arc::new(AtomicU64::new(n * 37));
            let peer = match n {
                1 => "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:65432".to_owned(),
                n => format!("192.0.2.{}:{}", n % 250, 40_000 + n),
            };
            process::set_connection(peer, requests.clone());
            loop {
                sleep(Duration::from_millis(if n == 0 { 1 } else { 900 })).await;
                requests.fetch_add(1, Ordering::Relaxed);
                if n == 0 {
                    std::thread::sleep(Duration::from_millis(3));
                }
            }
        });
    }
}

/// Twenty streams: the first knows its length and has items that exceed their timeout, and the second does not know its length.
fn streams() {
    for n in 0..20_u64 {
        Task::start(async move {
            process::set_label(match n {
                0 => "thumbnails of all pictures that were uploaded since the last time".to_owned(),
                n => format!("export {n}"),
            });
            let length = if n == 1 { u64::MAX } else { 20_000 };
            let stream = Task::async_stream(0..length, move |item| {
                let is_late = n == 0 && item % 50 == 0;
                sleep(Duration::from_millis(if is_late { 5000 } else { 40 + n * 5 }))
            });
            let mut stream = stream.max_concurrency(8).timeout(Duration::from_secs(2));
            while stream.next().await.is_some() {}
        });
    }
}

/// A child that is restarted again and again, and crashes at three other places, one of them with a long message.
async fn failures(tree: &Supervisor) {
    let backoff = Backoff::exponential(Duration::from_millis(200), Duration::from_secs(5));
    let bank = || async {
        sleep(Duration::from_millis(300)).await;
        Err::<(), _>("the bank closed the connection")
    };
    let bank = ChildSpec::task("bank", bank).restart(Restart::Permanent).backoff(backoff);
    tree.start_child(bank).await.unwrap();
    for n in 0..60_u64 {
        Task::start(async move {
            process::set_label(format!("order {n}"));
            sleep(Duration::from_millis(n * 10)).await;
            match n % 10 {
                0..5 => panic!("order {n} has no address"),
                5..8 => panic!("index out of bounds: the length is 3 but the index is {n}"),
                _ => panic!("{}", format!("the answer of the warehouse is not understood: {n} ").repeat(20)),
            }
        });
    }
}
