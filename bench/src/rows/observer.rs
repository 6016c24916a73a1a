//! How much speed does a program lose while it is observed, and does the page stay live?
//!
//! The program has 100 k tasks that wait, and spawns tasks as fast as it can. An open page reads the stream of events, and asks
//! for the 100 busiest tasks once a second. A real page is no part of the program that it observes. So this one reads on a thread of its
//! own, whose processor time is subtracted. The program is measured without a page before and after it is measured with one, because its speed
//! drifts.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cordial::{Task, TaskSupervisor};
use cordial_observer::Observer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::measure::{Bench, Pair, now};
use crate::usage::{cpu_time, cpu_time_of_threads};

const LIVE: usize = 100_000;

/// How many tasks are spawned for one value: enough for several seconds, so that the page is updated several times.
const SPAWNED: u32 = 6_000_000;

/// Tasks that are spawned before the first of them is awaited.
const BATCH: u32 = 1000;

/// How many tasks a second are spawned while the events of a page are timed, and for how many seconds.
const RATE: u32 = 1_000_000;
const SECONDS: u32 = 10;

/// The beginning of the name of the thread of an observer.
const OBSERVER_THREAD: &str = "cordial-obs";

/// The first line of an event.
const EVENT: &[u8] = b"event: tick\n";

/// The time of a spawn with an open page, compared with an observer without one.
pub(crate) fn open_page(bench: &Bench) -> Pair {
    let tasks = start_children(bench);
    let observer = observe(bench);
    let before = spawn_all(bench);
    let page = OpenPage::start(&observer);
    let started = now();
    let ours = spawn_all(bench);
    let time = started.elapsed();
    let share_of_page = page.close().as_secs_f64() / (time.as_secs_f64() * n_processors());
    let peer = f64::midpoint(before, spawn_all(bench));
    observer.stop();
    bench.ours(async move { tasks.stop().await });
    Pair { ours: ours * (1.0 - share_of_page), peer }
}

/// The processor time of the observer while tasks are spawned and a page is open, compared with no page. Other programs on the machine change it
/// little.
pub(crate) fn processor_time(bench: &Bench) -> Pair {
    let tasks = start_children(bench);
    let observer = observe(bench);
    let share = |bench: &Bench| {
        let (started, before) = (now(), cpu_time_of_threads(OBSERVER_THREAD));
        spawn_all(bench);
        // The thread of an earlier row may have ended meanwhile.
        let used = cpu_time_of_threads(OBSERVER_THREAD).saturating_sub(before);
        used.as_secs_f64() / started.elapsed().as_secs_f64()
    };
    let peer = share(bench);
    let page = OpenPage::start(&observer);
    let ours = share(bench);
    page.close();
    observer.stop();
    bench.ours(async move { tasks.stop().await });
    Pair { ours, peer }
}

fn observe(bench: &Bench) -> Observer {
    let observer = Observer::builder().runtime(bench.cordial.inspector()).serve("127.0.0.1:0");
    observer.expect("a loopback address is free")
}

fn n_processors() -> f64 {
    thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

/// An open page, which reads on a thread of its own.
struct OpenPage {
    close: oneshot::Sender<()>,
    /// Returns its processor time.
    reads: JoinHandle<Duration>,
}

impl OpenPage {
    fn start(observer: &Observer) -> OpenPage {
        let address = observer.address().expect("it listens on an address");
        let token = observer.token().expect("it has a token").to_owned();
        let (close, closed) = oneshot::channel();
        let read = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the system has an I/O driver").block_on(async {
                tokio::select! {
                    () = page(address, token) => {}
                    _ = closed => {}
                }
            });
            cpu_time()
        };
        #[expect(clippy::disallowed_methods, reason = "the page is another program, whose processor time is taken off")]
        let reads = thread::spawn(read);
        OpenPage { close, reads }
    }

    /// Closes the page, and returns the processor time that it took.
    fn close(self) -> Duration {
        drop(self.close);
        self.reads.join().expect("the page does not panic")
    }
}

/// The time of a spawn with an observer that no page reads, compared with no observer.
pub(crate) fn no_page(bench: &Bench) -> Pair {
    let tasks = start_children(bench);
    let before = spawn_all(bench);
    let observer = observe(bench);
    let ours = spawn_all(bench);
    observer.stop();
    let peer = f64::midpoint(before, spawn_all(bench));
    bench.ours(async move { tasks.stop().await });
    Pair { ours, peer }
}

/// The longest time between two events of an open page while a million tasks a second are spawned, compared with an idle program.
pub(crate) fn events_beside_a_million(bench: &Bench) -> Pair {
    let tasks = start_children(bench);
    let observer = observe(bench);
    let address = observer.address().expect("it listens on an address");
    let token = observer.token().expect("it has a token").to_owned();
    let page = OpenPage::start(&observer);
    let time = Duration::from_secs(u64::from(SECONDS));
    let peer = bench.tokio.block_on(longest_gap(address, &token, time));
    let gap = bench.tokio.spawn(async move { longest_gap(address, &token, time).await });
    spawn_at_rate(bench);
    let ours = bench.tokio.block_on(gap).expect("it reads until its time is over");
    page.close();
    observer.stop();
    bench.ours(async move { tasks.stop().await });
    Pair { ours, peer }
}

/// Spawns and awaits [`RATE`] tasks a second for [`SECONDS`]. Reports a machine that spawns fewer.
#[expect(clippy::print_stderr, reason = "a remark on the row, which is printed to standard output")]
fn spawn_at_rate(bench: &Bench) {
    let started = now();
    bench.ours(async move {
        for n in 0..RATE / BATCH * SECONDS {
            let batch: Vec<Task<()>> = (0..BATCH).map(|_| Task::spawn(async {})).collect();
            for task in batch {
                task.await.expect("an empty task ends");
            }
            let due = Duration::from_secs(1) * (n * BATCH) / RATE;
            tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
        }
    });
    let rate = f64::from(RATE * SECONDS) / started.elapsed().as_secs_f64();
    if rate < 0.9 * f64::from(RATE) {
        eprintln!("the row of the longest wait: this machine spawned only {rate:.0} tasks a second");
    }
}

/// Reads events for a time, and returns the longest time between two of them, in seconds.
async fn longest_gap(address: SocketAddr, token: &str, time: Duration) -> f64 {
    let mut events = request(address, token, "/api/events").await;
    let (started, mut last, mut longest) = (now(), None, 0.0);
    let mut text = Vec::new();
    while started.elapsed() < time {
        let n = events.read_buf(&mut text).await.expect("the observer sends events");
        assert!(n > 0, "the observer has ended the stream");
        while let Some(at) = text.windows(EVENT.len()).position(|part| part == EVENT) {
            text.drain(..at + EVENT.len());
            // The first event is sent at once, and the second one at the next full second.
            longest = last.map_or(0.0, |last: Instant| last.elapsed().as_secs_f64()).max(longest);
            last = Some(now());
        }
        // The beginning of the next event may be here already.
        text.drain(..text.len().saturating_sub(EVENT.len()));
    }
    longest
}

fn start_children(bench: &Bench) -> TaskSupervisor {
    bench.ours(async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        (0..LIVE).for_each(|_| drop(tasks.start_child(std::future::pending::<()>())));
        tasks
    })
}

/// Returns the seconds per task.
fn spawn_all(bench: &Bench) -> f64 {
    let started = now();
    bench.ours(async {
        for _ in 0..SPAWNED / BATCH {
            let batch: Vec<Task<()>> = (0..BATCH).map(|_| Task::spawn(async {})).collect();
            for task in batch {
                task.await.expect("an empty task ends");
            }
        }
    });
    started.elapsed().as_secs_f64() / f64::from(SPAWNED)
}

/// Does what an open page does, until the future is dropped.
async fn page(address: SocketAddr, token: String) {
    let mut events = request(address, &token, "/api/events").await;
    let mut buffer = vec![0; 64 * 1024];
    while events.read(&mut buffer).await.is_ok_and(|n| n > 0) {
        let mut table = request(address, &token, "/api/tasks?sort=busy_share&limit=100").await;
        while table.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
        // An event may arrive in several parts, and the page asks once for each event.
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
}

async fn request(address: SocketAddr, token: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the observer listens");
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the observer reads");
    stream
}
