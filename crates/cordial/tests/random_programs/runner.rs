//! The runner: the root process of a run. It starts the initial processes, awaits the monitors, and ends the remaining processes.

use std::sync::Arc;
use std::time::Duration;

use cordial::process::{self, Monitor};
use cordial::{Exit, Shutdown, Task};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::event::Event;
use crate::harness::Harness;
use crate::interpreter;
use crate::program::{Linkage, N_INITIAL, Name, Program, ROOT};

/// Longer than all timeouts of a program together.
const LONG: Duration = Duration::from_secs(1000);

/// Runs a program with the schedule of a seed. Returns the log.
pub(crate) fn run(seed: u64, program: Program) -> Vec<Event> {
    cordial::testing::run_seeded(seed, async {
        let (harness, incoming) = Harness::new(program);
        let own = process::current().expect("the root is a process");
        // No process sends handles to the root, so its inbox is closed.
        harness.register(ROOT, own, mpsc::unbounded_channel().0);
        execute(&harness, incoming).await;
        harness.take_log()
    })
}

async fn execute(harness: &Arc<Harness>, incoming: mpsc::UnboundedReceiver<(usize, Monitor)>) {
    let mut monitors = Monitors { harness, incoming, pending: FuturesUnordered::new() };
    let of_checker = harness.clone();
    let checker = Task::spawn(async move {
        loop {
            of_checker.changed.notified().await;
            of_checker.log_table();
        }
    });
    for name in 1..=N_INITIAL {
        interpreter::start(harness, name, Linkage::Unlinked);
    }
    monitors.await_for(LONG).await;

    harness.log_table();
    harness.write(Event::Quiescent);
    end_all(harness, &Exit::Shutdown(None));
    monitors.await_for(Duration::from_secs(1)).await;
    // An exiting process may have spawned others.
    for _ in harness.program.names() {
        end_all(harness, &Exit::Killed);
        monitors.await_for(Duration::from_secs(1)).await;
    }
    let answer = checker.shutdown(Shutdown::default()).await;
    assert_eq!(answer, None, "the checker does not finish");
    harness.write(Event::Finished { remaining: living(harness).collect() });
}

fn living(harness: &Harness) -> impl Iterator<Item = Name> {
    harness.program.names().filter(|&name| process::info(harness.pid(name)).is_some())
}

fn end_all(harness: &Harness, exit: &Exit) {
    for to in living(harness) {
        harness.write(Event::Sent { by: ROOT, to, cause: harness.cause(exit) });
        process::exit(harness.pid(to), exit.clone());
    }
}

/// All monitors that the runner awaits.
struct Monitors<'a, F> {
    harness: &'a Harness,
    incoming: mpsc::UnboundedReceiver<(usize, Monitor)>,
    pending: FuturesUnordered<F>,
}

impl Monitors<'_, NumberedMonitor> {
    async fn await_for(&mut self, time: Duration) {
        let mut time_is_up = std::pin::pin!(tokio::time::sleep(time));
        loop {
            tokio::select! {
                biased;
                Some((number, monitor)) = self.incoming.recv() => self.pending.push(NumberedMonitor { number, monitor }),
                Some((number, exit)) = self.pending.next() => {
                    let cause = self.harness.cause(&exit);
                    self.harness.write(Event::Down { number, cause });
                }
                () = &mut time_is_up => return,
            }
        }
    }
}

/// A monitor with its number.
struct NumberedMonitor {
    number: usize,
    monitor: Monitor,
}

impl Future for NumberedMonitor {
    type Output = (usize, Exit);

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<(usize, Exit)> {
        let number = self.number;
        std::pin::Pin::new(&mut self.monitor).poll(cx).map(|exit| (number, exit))
    }
}
