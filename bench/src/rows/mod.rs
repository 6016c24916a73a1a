//! The rows of the table. Each file opens with the question that its rows answer.

mod fairness;
mod fleet;
mod fleet_commands;
mod http;
pub(crate) mod isolate;
mod latency;
mod limits;
mod map;
mod messages;
mod observer;
mod parallel;
mod resources;
mod servers;
mod snapshots;
mod spawn;
mod stream;
mod supervise;
mod web;

use crate::measure::Budget::{NoTarget, Ours, Ratio};
use crate::measure::{Bench, Pair, Row, Unit};

pub(crate) use fleet::memory_of;
pub(crate) use stream::{consume_ours, consume_peer};
pub(crate) use web::{Side, bytes_per_idle_connection};

const M: u32 = 1_000_000;

pub(crate) const ALL: &[Row] = &[
    Row::new("spawn 1 M, then await all", spawn::many, Ratio(0.8, 0.6)),
    Row::new("spawn and await one by one, timeout armed", spawn::one_by_one, Ratio(0.7, 0.4)),
    Row::new("spawn 1 M that inherit a value, vs none", spawn::inheriting, NoTarget),
    Row::new("spawn 1 M outside of scopes, vs no scopes", spawn::outside_of_a_scope, Ratio(1.02, 1.0)),
    Row::new("ping-pong over bounded channels", messages::ping_pong, Ratio(0.8, 0.5)),
    Row::new("the channels of ping-pong alone, no scheduler", messages::channels_alone, NoTarget),
    Row::new("call of an idle server, vs mpsc and oneshot", servers::call, Ratio(0.8, 0.7)),
    Row::new("call of an idle server, vs ask of kameo", servers::call_to_kameo, Ratio(1.0, 0.8)),
    Row::new("call of an idle server, vs call of ractor", servers::call_to_ractor, Ratio(1.0, 0.8)),
    Row::new("cast, vs mpsc send", servers::cast, Ratio(1.0, 0.8)),
    Row { pairs: 5, ..Row::new("set of 1 M trivial tasks, 64 at a time", servers::set, Ratio(0.8, 0.6)) },
    Row::new("1000 tasks yielding", messages::yielding, NoTarget),
    Row::new("two computations of 200 us in parallel", parallel::two, Ours(260e-6, 225e-6)),
    Row::new("two computations of 200 us, after one of 5 ms", parallel::two_after_long, Ours(270e-6, 240e-6)),
    Row::new("the same with two bare threads", parallel::bare_threads_after_long, NoTarget),
    Row::new("stream of 1 M trivial items, 2 at a time", stream::ordered::<M, 2>, Ratio(0.8, 0.5)),
    Row::new("stream of 1 M trivial items, 64 at a time", stream::ordered::<M, 64>, Ratio(0.8, 0.5)),
    Row::new("stream of 1 M trivial items, 1000 at a time", stream::ordered::<M, 1000>, Ratio(0.8, 0.5)),
    Row::new("stream, unordered, 2 at a time", stream::unordered::<M, 2>, Ratio(0.8, 0.5)),
    Row::new("stream, unordered, 64 at a time", stream::unordered::<M, 64>, Ratio(0.8, 0.5)),
    Row::new("stream, unordered, 1000 at a time", stream::unordered::<M, 1000>, Ratio(0.8, 0.5)),
    Row::new("stream of computations of 50 us, vs rayon", parallel::map, Ratio(1.15, 1.0)),
    Row { pairs: 3, ..Row::new("wake-up p99 while 2 tasks spin for 2 s", latency::spin_2, NoTarget) },
    Row { pairs: 3, ..Row::new("wake-up p99 while 8 tasks spin for 2 s", latency::spin_8, Ours(10e-3, 3e-3)) },
    Row { pairs: 1, ..Row::new("wake-up p99 while 32 tasks spin for 2 s", latency::spin_32, NoTarget) },
    Row { pairs: 3, ..Row::new("wake-up p99 while 100 tasks block for 1 s", latency::block_100, NoTarget) },
    Row { pairs: 5, ..Row::new("latest of 100 timeouts, tokio's threads blocked", limits::blocked, Ours(20e-3, 3e-3)) },
    Row {
        pairs: 3,
        ..Row::new("delay p99 of 10 k timeouts beside 4 spinning tasks", limits::beside_spinning, NoTarget)
    },
    Row { workers: 1, ..share("share beside 1 yielding, 1 worker", fairness::share::<1, 1>) },
    Row { workers: 1, ..share("share beside 8 yielding, 1 worker", fairness::share::<1, 8>) },
    Row { workers: 1, ..share("share beside 64 yielding, 1 worker", fairness::share::<1, 64>) },
    Row { workers: 2, ..share("share beside 1 yielding, 2 workers", fairness::share::<1, 1>) },
    Row { workers: 2, ..share("share beside 8 yielding, 2 workers", fairness::share::<1, 8>) },
    Row { workers: 2, ..share("share beside 64 yielding, 2 workers", fairness::share::<1, 64>) },
    Row { workers: 4, ..share("share beside 1 yielding, 4 workers", fairness::share::<1, 1>) },
    Row { workers: 4, ..share("share beside 8 yielding, 4 workers", fairness::share::<1, 8>) },
    Row { workers: 4, ..share("share beside 64 yielding, 4 workers", fairness::share::<1, 64>) },
    Row { workers: 2, ..share("least share of 8 beside 8 yielding, 2 workers", fairness::share::<8, 8>) },
    Row { workers: 4, ..share("least share of 8 beside 8 yielding, 4 workers", fairness::share::<8, 8>) },
    Row {
        workers: 1,
        ..share("share beside 1 yielding, busy machine, 1 worker", fairness::share_beside_program::<1, 1>)
    },
    Row {
        workers: 1,
        ..share("share beside 8 yielding, busy machine, 1 worker", fairness::share_beside_program::<1, 8>)
    },
    Row {
        workers: 1,
        ..share("share beside 64 yielding, busy machine, 1 worker", fairness::share_beside_program::<1, 64>)
    },
    Row {
        workers: 2,
        ..share("share beside 1 yielding, busy machine, 2 workers", fairness::share_beside_program::<1, 1>)
    },
    Row {
        workers: 2,
        ..share("share beside 8 yielding, busy machine, 2 workers", fairness::share_beside_program::<1, 8>)
    },
    Row {
        workers: 2,
        ..share("share beside 64 yielding, busy machine, 2 workers", fairness::share_beside_program::<1, 64>)
    },
    Row {
        workers: 4,
        ..share("share beside 1 yielding, busy machine, 4 workers", fairness::share_beside_program::<1, 1>)
    },
    Row {
        workers: 4,
        ..share("share beside 8 yielding, busy machine, 4 workers", fairness::share_beside_program::<1, 8>)
    },
    Row {
        workers: 4,
        ..share("share beside 64 yielding, busy machine, 4 workers", fairness::share_beside_program::<1, 64>)
    },
    Row {
        workers: 2,
        ..share("least share of 8 beside 8, busy machine, 2 workers", fairness::share_beside_program::<8, 8>)
    },
    Row {
        workers: 4,
        ..share("least share of 8 beside 8, busy machine, 4 workers", fairness::share_beside_program::<8, 8>)
    },
    Row {
        pairs: 3,
        ..Row::new("50 ms beside 8 yielding, busy machine", fairness::fifty_milliseconds_beside_program::<1>, NoTarget)
    },
    Row {
        pairs: 3,
        ..Row::new(
            "50 ms in each of 8 beside 8 yielding, busy machine",
            fairness::fifty_milliseconds_beside_program::<8>,
            NoTarget,
        )
    },
    Row { pairs: 3, ..Row::new("wait p99 for a lock of 1 task beside 8 yielding", fairness::lock::<1>, NoTarget) },
    Row { pairs: 3, ..Row::new("wait p99 for a lock of 8 tasks beside 8 yielding", fairness::lock::<8>, NoTarget) },
    Row { unit: Unit::PerSecond, ..Row::new("HTTP responses, 64 connections", http::answers, Ratio(0.95, 1.05)) },
    Row { unit: Unit::PerSecond, ..Row::new("axum responses, 64 connections", web::answers, Ratio(1.0, 1.1)) },
    Row {
        unit: Unit::PerSecond,
        ..Row::new("axum responses, 64 connections, TaskLayer", web::answers_of_tasks, Ratio(0.9, 1.0))
    },
    Row {
        unit: Unit::PerSecond,
        ..Row::new("axum on tokio, sockets on a second runtime", web::answers_of_two_runtimes, NoTarget)
    },
    Row { pairs: 3, ..Row::new("axum p99 beside 4 computing", web::beside_computing, Ours(5e-3, 2e-3)) },
    Row {
        pairs: 3,
        ..Row::new("axum p99 beside 4 computing, TaskLayer", web::beside_computing_tasks, Ours(5e-3, 2e-3))
    },
    Row {
        pairs: 3,
        ..Row::new("axum p99 beside 4 computing, new connections", web::connect_beside_computing, Ours(5e-3, 2e-3))
    },
    Row {
        unit: Unit::Bytes,
        pairs: 3,
        ..Row::new("axum memory per idle connection", web::memory_of_idle, Ratio(1.2, 1.0))
    },
    Row { unit: Unit::Bytes, pairs: 3, ..Row::new("memory per idle task", resources::memory, Ours(500.0, 330.0)) },
    Row {
        unit: Unit::Bytes,
        pairs: 3,
        ..Row::new("memory after 10 bursts", resources::after_bursts::<10, 0>, Ratio(1.3, 1.0))
    },
    Row {
        unit: Unit::Bytes,
        pairs: 3,
        ..Row::new("memory after 10 bursts, vs tokio in a task", resources::after_bursts_vs_peer_in_task, NoTarget)
    },
    Row {
        unit: Unit::Bytes,
        pairs: 3,
        ..Row::new("memory after 10 bursts, vs bare threads", resources::after_bursts_vs_bare_threads, NoTarget)
    },
    Row {
        unit: Unit::Bytes,
        pairs: 1,
        ..Row::new("memory after 100 bursts", resources::after_bursts::<100, 0>, Ratio(1.3, 1.0))
    },
    Row {
        unit: Unit::Bytes,
        pairs: 1,
        ..Row::new("memory 30 s after 100 bursts", resources::after_bursts::<100, 30>, Ratio(1.3, 1.0))
    },
    Row::new("100 k panicking tasks", spawn::panicking, Ratio(1.2, 1.0)),
    Row {
        unit: Unit::Count,
        pairs: 1,
        ..Row::new("context switches in 10 s of idleness", resources::idle, Ours(0.0, 0.0))
    },
    Row::new("start a child, which ends", supervise::start_and_end, Ratio(1.2, 0.9)),
    Row::new("the same beside 100 k live ones", supervise::start_beside_100_000, Ratio(1.2, 0.9)),
    Row { unit: Unit::PerSecond, ..Row::new("starts per second, 1 thread", supervise::starts_1, NoTarget) },
    Row { unit: Unit::PerSecond, ..Row::new("starts per second, 2 threads", supervise::starts_2, NoTarget) },
    Row { unit: Unit::PerSecond, ..Row::new("starts per second, 4 threads", supervise::starts_4, NoTarget) },
    Row { unit: Unit::PerSecond, pairs: 5, ..Row::new("restarts per second", supervise::restarts, NoTarget) },
    Row { pairs: 5, ..Row::new("stop of 100 k children", supervise::stop_100_000, NoTarget) },
    Row::new("snapshot of 100 k processes", snapshots::snapshot_100_000, Ours(100e-3, 30e-3)),
    Row::new("start a child during snapshots, vs none", snapshots::start_beside_snapshots, NoTarget),
    Row::new("longest of 20 k starts during snapshots, vs none", snapshots::longest_start_beside_snapshots, NoTarget),
    Row { pairs: 7, ..Row::new("spawn beside 100 k, page open vs closed", observer::open_page, Ratio(1.02, 1.0)) },
    Row {
        pairs: 7,
        unit: Unit::Share,
        ..Row::new("processor time of the observer, a page open", observer::processor_time, Ours(0.04, 0.02))
    },
    Row {
        pairs: 1,
        ..Row::new("longest wait for an event, 1 M spawns a second", observer::events_beside_a_million, Ours(2.0, 1.1))
    },
    Row { pairs: 7, ..Row::new("spawn beside 100 k, observer vs none", observer::no_page, Ratio(1.01, 1.0)) },
    Row { pairs: 5, ..Row::new("map: 5000 x true, 2 at a time, vs xargs", map::xargs_2, Ratio(0.9, 0.85)) },
    Row { pairs: 5, ..Row::new("map: 5000 x true, 16 at a time, vs xargs", map::xargs_16, Ratio(0.9, 0.85)) },
    Row { pairs: 5, ..Row::new("map: 5000 x true, 2 at a time, vs two threads", map::bare_2, Ratio(1.15, 1.1)) },
    Row { pairs: 5, ..Row::new("map: 5000 x true, 16 at a time, vs two threads", map::bare_16, Ratio(1.15, 1.1)) },
    Row { pairs: 5, ..Row::new("map: its system calls alone, vs two threads", map::bare_calls, NoTarget) },
    Row { pairs: 5, ..Row::new("map: 5000 x true with a joblog, vs without", map::records, Ratio(1.03, 1.0)) },
    Row {
        unit: Unit::PerSecond,
        pairs: 3,
        ..Row::new("map: bytes through --pipe wc -l, vs parallel", map::pipe, Ours(1e9, 1.2e9))
    },
    Row { pairs: 1, ..Row::new("map: 5000 x true, 2 at a time, vs parallel", map::parallel_2, Ratio(0.125, 0.1)) },
    Row { pairs: 1, ..Row::new("map: 5000 x true, 16 at a time, vs parallel", map::parallel_16, Ratio(0.125, 0.1)) },
    Row {
        unit: Unit::Bytes,
        pairs: 1,
        ..Row::new("map: memory for 100 k items, vs 5 k items", map::memory_of_many, Ratio(1.1, 1.0))
    },
    Row {
        pairs: 5,
        ..Row::new("fleet: job to result, one at a time, vs bare NATS", fleet::jobs::<500, 1>, Ratio(1.2, 1.0))
    },
    Row {
        pairs: 5,
        ..Row::new(
            "fleet: one at a time, vs bare NATS on a thread",
            fleet::jobs_vs_client_on_thread::<500, 1>,
            Ratio(1.2, 1.0),
        )
    },
    Row { pairs: 5, ..Row::new("fleet: jobs, 64 at a time, vs bare NATS", fleet::jobs::<5000, 64>, Ratio(1.2, 1.0)) },
    Row {
        pairs: 5,
        ..Row::new(
            "fleet: 64 at a time, vs bare NATS on a thread",
            fleet::jobs_vs_client_on_thread::<5000, 64>,
            Ratio(1.2, 1.0),
        )
    },
    Row {
        unit: Unit::PerSecond,
        pairs: 5,
        ..Row::new("fleet: jobs of a stream, 64 at a time", fleet::stream_rate::<10_000, 64>, Ours(5000.0, 10_000.0))
    },
    Row {
        unit: Unit::Bytes,
        pairs: 1,
        ..Row::new("fleet: memory for 100 k items, vs 5 k items", fleet::memory_of_stream, Ratio(1.1, 1.0))
    },
    Row {
        pairs: 3,
        ..Row::new("fleet: 5000 x true, 2 slots, vs HyperQueue", fleet_commands::to_hyperqueue, Ratio(1.0, 0.8))
    },
    Row {
        pairs: 3,
        ..Row::new("fleet: 5000 x true, 2 slots, vs HyperShell", fleet_commands::to_hypershell, Ratio(1.0, 0.8))
    },
    Row {
        pairs: 3,
        ..Row::new("fleet: 5000 x true, vs 100 with parallel -S", fleet_commands::to_parallel, Ratio(1.0, 0.8))
    },
    Row::new("scale: stream of 1 k items", stream::unordered::<1000, 64>, NoTarget),
    Row { pairs: 5, ..Row::new("scale: stream of 100 k items", stream::unordered::<100_000, 64>, NoTarget) },
    Row { pairs: 3, ..Row::new("scale: stream of 10 M items", stream::unordered::<10_000_000, 64>, NoTarget) },
    Row {
        unit: Unit::Bytes,
        pairs: 3,
        ..Row::new("scale: stream, memory for 1 k items", stream::memory::<1000>, NoTarget)
    },
    Row {
        unit: Unit::Bytes,
        pairs: 3,
        ..Row::new("scale: stream, memory for 100 k items", stream::memory::<100_000>, NoTarget)
    },
    Row {
        unit: Unit::Bytes,
        pairs: 1,
        ..Row::new("scale: stream, memory for 10 M items", stream::memory::<10_000_000>, NoTarget)
    },
    Row::new("scale: 1 k tasks", spawn::thousand, NoTarget),
    Row { pairs: 3, ..Row::new("scale: 10 M tasks", spawn::ten_million, NoTarget) },
    Row { workers: 1, ..Row::new("scale: 1 M tasks, 1 worker", spawn::many, NoTarget) },
    Row { workers: 4, ..Row::new("scale: 1 M tasks, 4 workers", spawn::many, NoTarget) },
    Row { workers: 8, ..Row::new("scale: 1 M tasks, 8 workers", spawn::many, NoTarget) },
    Row { workers: 1, ..Row::new("scale: ping-pong, 1 worker", messages::ping_pong, NoTarget) },
    Row { workers: 4, ..Row::new("scale: ping-pong, 4 workers", messages::ping_pong, NoTarget) },
    Row { workers: 8, ..Row::new("scale: ping-pong, 8 workers", messages::ping_pong, NoTarget) },
    Row { pairs: 5, ..Row::new("warm isolated call, vs procspawn", isolate::warm, Ratio(0.7, 0.5)) },
    Row { pairs: 5, ..Row::new("warm isolated call, vs Python", isolate::warm_to_python, Ours(40e-6, 20e-6)) },
    Row {
        unit: Unit::PerSecond,
        pairs: 5,
        ..Row::new("isolated calls, 4 processes, vs procspawn", isolate::many, Ratio(3.0, 5.0))
    },
    Row {
        unit: Unit::PerSecond,
        pairs: 5,
        ..Row::new("isolated calls, 4 processes, vs Python", isolate::many_to_python, Ours(50e3, 100e3))
    },
    Row::new("start of an isolated worker and its first call", isolate::cold, Ours(3e-3, 2e-3)),
    Row { pairs: 5, ..Row::new("16 MiB to an isolated call", isolate::large, Ours(20e-3, 8e-3)) },
    Row { pairs: 5, ..Row::new("kill of an isolated call that computes", isolate::kill, Ours(1e-3, 0.3e-3)) },
];

/// A row whose values are shares of one processor.
const fn share(name: &'static str, measure: fn(&Bench) -> Pair) -> Row {
    Row { unit: Unit::Share, pairs: 1, ..Row::new(name, measure, Ratio(0.5, 1.0)) }
}
