//! A limit of calls per time for the whole program: callers wait in the mailbox, in order, until there is room for them.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::VecDeque;
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Exit, Task};
use tokio::time::{Instant, sleep_until};

/// At most three calls pass within `WINDOW`. The state is the times at which the latest calls have passed.
#[derive(Default)]
struct Limiter(VecDeque<Instant>);
const WINDOW: Duration = Duration::from_millis(100);
struct Pass;

impl Server for Limiter {}
impl Handle<Pass> for Limiter {
    type Reply = ();
    async fn handle(&mut self, _: Pass, _: &mut Context<Self>) {
        while self.0.len() == 3 {
            sleep_until(self.0.pop_front().map_or_else(Instant::now, |first| first + WINDOW)).await;
        }
        self.0.push_back(Instant::now());
    }
}

async fn program() -> Result<(), Exit> {
    let (limiter, begun) = (ServerRef::start(Limiter::default), Instant::now());
    let requests = (1..=9).map(|n| (n, limiter.clone()));
    let mut passed = Task::async_stream(requests, |(n, limiter)| async move { limiter.call(Pass).await.map(|()| n) });
    while let Some(n) = passed.next().await {
        println!("request {} passed in window {}", n??, begun.elapsed().as_millis() / WINDOW.as_millis());
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    cordial::main(program())
}
