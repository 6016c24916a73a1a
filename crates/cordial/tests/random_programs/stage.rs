//! The stage: the root process of a run. It starts the first processes, awaits the monitors, and ends who is left.

use std::sync::Arc;
use std::time::Duration;

use cordial::process::{self, Monitor};
use cordial::{Exit, Shutdown, Task};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::actor;
use crate::event::Event;
use crate::program::{Name, ON_STAGE, Program, STAGE, Tie};
use crate::world::World;

/// Longer than all limits of a program together.
const LONG: Duration = Duration::from_secs(1000);

/// Runs a program in the order of a seed, and gives the log.
pub(crate) fn run(seed: u64, program: Program) -> Vec<Event> {
    cordial::testing::run_seeded(seed, async {
        let (world, watches) = World::new(program);
        let own = process::current().expect("the root is a process");
        // Nobody gives handles to the stage, so its inbox is closed.
        world.enter(STAGE, own, mpsc::unbounded_channel().0);
        play(&world, watches).await;
        world.take_log()
    })
}

async fn play(world: &Arc<World>, watches: mpsc::UnboundedReceiver<(usize, Monitor)>) {
    let mut audience = Audience { world, watches, pending: FuturesUnordered::new() };
    let looking = world.clone();
    let checker = Task::spawn(async move {
        loop {
            looking.changed.notified().await;
            looking.look();
        }
    });
    for name in 1..=ON_STAGE {
        actor::start(world, name, Tie::Free);
    }
    audience.watch_for(LONG).await;

    world.look();
    world.write(Event::Curtain);
    end_all(world, &Exit::Shutdown(None));
    audience.watch_for(Duration::from_secs(1)).await;
    // Whoever ends may have brought others to life.
    for _ in world.program.names() {
        end_all(world, &Exit::Killed);
        audience.watch_for(Duration::from_secs(1)).await;
    }
    let answer = checker.shutdown(Shutdown::default()).await;
    assert_eq!(answer, None, "the checker only looks");
    world.write(Event::Over { left: living(world).collect() });
}

fn living(world: &World) -> impl Iterator<Item = Name> {
    world.program.names().filter(|&name| process::info(world.pid(name)).is_some())
}

fn end_all(world: &World, exit: &Exit) {
    for to in living(world) {
        world.write(Event::Sent { by: STAGE, to, cause: world.cause(exit) });
        process::exit(world.pid(to), exit.clone());
    }
}

/// All monitors that were made for the stage.
struct Audience<'a, F> {
    world: &'a World,
    watches: mpsc::UnboundedReceiver<(usize, Monitor)>,
    pending: FuturesUnordered<F>,
}

impl Audience<'_, Watch> {
    async fn watch_for(&mut self, time: Duration) {
        let mut time_is_up = std::pin::pin!(tokio::time::sleep(time));
        loop {
            tokio::select! {
                biased;
                Some((watch, monitor)) = self.watches.recv() => self.pending.push(Watch { watch, monitor }),
                Some((watch, exit)) = self.pending.next() => {
                    let cause = self.world.cause(&exit);
                    self.world.write(Event::Down { watch, cause });
                }
                () = &mut time_is_up => return,
            }
        }
    }
}

/// A monitor and its number.
struct Watch {
    watch: usize,
    monitor: Monitor,
}

impl Future for Watch {
    type Output = (usize, Exit);

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<(usize, Exit)> {
        let watch = self.watch;
        std::pin::Pin::new(&mut self.monitor).poll(cx).map(|exit| (watch, exit))
    }
}
