//! Futures that are large. Each function that takes one boxes it at once, so that a thread with a stack of the usual size (2 MiB)
//! can start it.
#![expect(clippy::large_futures, reason = "large futures are what is tested")]

use std::future::{Ready, ready};

use cordial::server::{Context, Handle, Later, Server, ServerRef};
use cordial::{
    ChildSpec, Exit, Inherited, Restart, Runtime, Strategy, Supervisor, Task, TaskSet, TaskSupervisor, Timeout,
    process, testing,
};
use tokio::task::yield_now;

const SIZE: usize = 768 * 1024;

/// A future of `SIZE` bytes, since the array lives across an await.
async fn large() -> usize {
    let array = [1_u8; SIZE];
    yield_now().await;
    std::hint::black_box(&array).len()
}

async fn large_without_value() {
    assert_eq!(large().await, SIZE);
}

async fn large_init() -> Result<Ready<()>, &'static str> {
    large().await;
    Ok(ready(()))
}

/// The inner future has only a quarter of the size, because this function and its caller return it by value.
async fn init_of_large() -> Result<impl Future<Output = ()> + Send, &'static str> {
    Ok(async {
        let array = [1_u8; SIZE / 4];
        yield_now().await;
        std::hint::black_box(&array);
    })
}

/// Calls `f` in a frame of its own: several large futures in one frame would overflow the stack by themselves.
fn apart<T>(f: &mut dyn FnMut() -> T) -> T {
    std::hint::black_box(f)()
}

/// Starts large futures in every way that there is inside a process.
async fn start_all() {
    let spawned = [apart(&mut || Task::spawn(large())), apart(&mut || Task::spawn_link(large()))];
    for task in spawned {
        assert_eq!(task.await, Ok(SIZE));
    }
    let started =
        [apart(&mut || Task::start(large_without_value())), apart(&mut || Task::start_link(large_without_value()))];
    for pid in started {
        assert!(matches!(process::monitor(pid).await, Exit::Normal | Exit::NoProcess));
    }
    assert_eq!(Task::async_stream([()], |()| large()).collect().await, [Ok(SIZE)]);
    for mut set in [TaskSet::new(), TaskSet::new().max_concurrency(1)] {
        apart(&mut || set.spawn(large()));
        assert_eq!(set.next().await, Some(Ok(SIZE)));
    }
}

async fn start_all_under_supervisors() {
    let tasks = TaskSupervisor::start();
    let spawned = [
        apart(&mut || tasks.spawn(large())),
        apart(&mut || tasks.spawn_link(large())),
        apart(&mut || tasks.spawn_nolink(large())),
    ];
    for task in spawned {
        assert_eq!(task.await, Ok(SIZE));
    }
    assert_eq!(tasks.async_stream([()], |()| large()).collect().await, [Ok(SIZE)]);
    let when_room = apart(&mut || tasks.start_child_when_room(large_without_value())).await.unwrap();
    let started = [
        when_room,
        apart(&mut || tasks.start_child(large_without_value()).unwrap()),
        apart(&mut || tasks.start_child_with(ChildSpec::task("task", large_without_value)).unwrap()),
    ];
    for pid in started {
        assert!(matches!(process::monitor(pid).await, Exit::Normal | Exit::NoProcess));
    }
    tasks.stop().await;

    let tree = Supervisor::builder(Strategy::OneForOne)
        .child(ChildSpec::task("task", large_without_value).restart(Restart::Temporary))
        .child(ChildSpec::init("init", large_init).restart(Restart::Temporary))
        .child(ChildSpec::init("inner", init_of_large).restart(Restart::Temporary))
        .start()
        .await
        .unwrap();
    tree.stop().await;
}

/// A server with a large state, whose methods are large futures.
struct LargeServer([u8; SIZE / 4]);

impl Server for LargeServer {
    async fn started(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        large().await;
        Ok(())
    }

    async fn stopping(&mut self, _: &Exit) {
        large().await;
    }
}

struct Len;

impl Handle<Len> for LargeServer {
    type Reply = usize;
    async fn handle(&mut self, _: Len, _: &mut Context<Self>) -> usize {
        large().await + self.0.len()
    }
}

struct LenLater;

impl Handle<LenLater> for LargeServer {
    type Reply = Later<usize>;
    async fn handle(&mut self, _: LenLater, ctx: &mut Context<Self>) -> Later<usize> {
        apart(&mut || ctx.reply_later(large()))
    }
}

async fn use_large_servers() {
    static CARRIED: Inherited<()> = Inherited::new().carried_by_calls();
    let server = ServerRef::start(|| LargeServer([1; SIZE / 4]));
    assert_eq!(server.call(Len).timeout(Timeout::Infinity).await, Ok(SIZE + SIZE / 4));
    let in_scope = CARRIED.scope((), server.call(Len).timeout(Timeout::Infinity));
    assert_eq!(in_scope.await, Ok(SIZE + SIZE / 4));
    assert_eq!(server.call(LenLater).timeout(Timeout::Infinity).await, Ok(SIZE));
    server.cast(Len).await.unwrap();
    server.stop().await;
    assert_eq!(server.ended().await, Exit::Normal);
}

#[test]
fn large_futures_start_in_every_way() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let all = async {
        Task::spawn(start_all()).timeout(Timeout::Infinity).await?;
        Task::spawn(start_all_under_supervisors()).timeout(Timeout::Infinity).await?;
        Task::spawn(use_large_servers()).timeout(Timeout::Infinity).await
    };
    assert_eq!(runtime.block_on(all), Ok(Ok(())));
}

/// The stack has room for all copies of the output: in a debug build the future, the process and the await each make several.
/// tokio can return an output of this size.
#[test]
fn large_outputs_are_returned() {
    const LARGE: usize = 64 * 1024;
    async fn output() -> [u8; LARGE] {
        yield_now().await;
        [1; LARGE]
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let all = async {
        let plain = Task::spawn(async { Task::spawn(output()).await.map(|output| output.len()) });
        let linked = Task::spawn(async { Task::spawn_link(output()).await.map(|output| output.len()) });
        let supervised = Task::spawn(async {
            let tasks = TaskSupervisor::start();
            tasks.spawn(output()).await.map(|output| output.len())
        });
        let dropped = Task::spawn(async {
            let task = Task::spawn(output());
            matches!(process::monitor(task.pid()).await, Exit::Normal | Exit::NoProcess)
        });
        assert_eq!([plain.await, linked.await, supervised.await], [const { Ok(Ok(LARGE)) }; 3]);
        assert_eq!(dropped.await, Ok(true));
    };
    assert_eq!(runtime.block_on(all), Ok(()));
}

/// A future that is larger than the stacks of workers and I/O threads.
#[test]
fn a_huge_future_runs_if_it_fits_on_the_stack_of_the_thread_that_spawns_it() {
    const HUGE: usize = 8 << 20;
    async fn huge() -> usize {
        let array = [1_u8; HUGE];
        yield_now().await;
        std::hint::black_box(&array).len()
    }
    let spawn = || {
        assert_eq!(apart(&mut || Task::spawn(huge())).wait(), Ok(HUGE));
        let runtime = Runtime::builder().workers(1).build().unwrap();
        assert_eq!(apart(&mut || runtime.block_on(huge())), Ok(HUGE));
        assert_eq!(apart(&mut || testing::run(huge())), HUGE);
    };
    let thread = std::thread::Builder::new().stack_size(8 * HUGE).spawn(spawn).unwrap();
    thread.join().unwrap();
}

#[test]
fn large_futures_run_as_roots() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(apart(&mut || runtime.block_on(large())), Ok(SIZE));
    assert_eq!(apart(&mut || runtime.run(large())), Ok(SIZE));
    assert_eq!(apart(&mut || cordial::run(large())), Ok(SIZE));
    assert_eq!(apart(&mut || cordial::main(large_without_value())), std::process::ExitCode::SUCCESS);
    assert_eq!(apart(&mut || testing::run(large())), SIZE);
    assert_eq!(apart(&mut || testing::run_seeded(1, large())), SIZE);
}
