//! The metrics, in the text format of Prometheus (OpenMetrics).

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use crate::collector::Collector;
use crate::source::OwnProcess;
use crate::view::{Dropped, StateCounts};

/// The name and the value of a label.
type Label = [(&'static str, String); 1];

/// Returns the metrics as text.
pub(crate) fn metrics(collector: &mut Collector, by_server: Dropped) -> String {
    let mut registry = Registry::default();
    let cordial = registry.sub_registry_with_prefix("cordial");
    processes(collector, cordial);
    scheduler(collector, cordial);
    mailboxes(collector, cordial);
    observer(collector, by_server, cordial);
    own_process(registry.sub_registry_with_prefix("process"));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string accepts text");
    text
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: usize) {
    registry.register(name, help, ConstGauge::new(as_i64(value)));
}

fn as_i64(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn processes(collector: &mut Collector, registry: &mut Registry) {
    let totals = collector.inspector.totals();
    gauge(registry, "processes", "Live processes", totals.alive);
    counter(registry, "starts", "Processes that were spawned", totals.spawned);
    counter(registry, "ends", "Processes that have ended, crashes included", totals.ended);
    let crashed = totals.crashed;
    let kinds = [
        ("panic", crashed.panics),
        ("error", crashed.errors),
        ("timeout", crashed.timeouts),
        ("killed", crashed.kills),
        ("lost", crashed.losses),
        ("other", crashed.others),
    ];
    let crashes = Family::<Label, Counter>::default();
    for (kind, n) in kinds {
        crashes.get_or_create(&[("exit", kind.to_owned())]).inc_by(n);
    }
    registry.register("crashes", "Processes that have crashed, by how they ended", crashes);
    let StateCounts { running, waiting, queued, shutdown_requested, exiting, abandoned } = collector.scan().counts();
    let counts = [
        ("running", running),
        ("waiting", waiting),
        ("queued", queued),
        ("shutdown_requested", shutdown_requested),
        ("exiting", exiting),
        ("abandoned", abandoned),
    ];
    let states = Family::<Label, Gauge>::default();
    for (state, n) in counts {
        states.get_or_create(&[("state", state.to_owned())]).set(as_i64(n));
    }
    registry.register("processes_by_state", "Live processes, by what they do", states);
    let restarts: u64 = collector.scan().supervisors().map(|(_, supervision)| supervision.restarts).sum();
    registry.register(
        "restarts_by_live_supervisors",
        "Restarts that were made by supervisors which are alive: falls when a supervisor ends",
        ConstGauge::new(i64::try_from(restarts).unwrap_or(i64::MAX)),
    );
}

fn scheduler(collector: &Collector, registry: &mut Registry) {
    let statistics = collector.inspector.statistics();
    gauge(registry, "workers", "Threads that run tasks or sleep until there are some", statistics.workers);
    let help = "Threads in addition to the workers: blocked in a long poll, parked, or about to exit";
    gauge(registry, "stand_ins", help, statistics.stand_ins);
    gauge(registry, "queued_tasks", "Tasks that are ready and wait in the queue of a worker", statistics.queued);
    gauge(registry, "injected_tasks", "Tasks that are ready and wait in the shared queue", statistics.injected);
    counter(registry, "polls", "Polls that have returned", statistics.polls);
    counter(registry, "steals", "Batches of tasks that one worker took from another", statistics.steals);
    counter(registry, "parks", "How many times a worker went to sleep", statistics.parks);
    counter(registry, "stalled_polls", "Polls longer than stall_after", statistics.long_polls);
    gauge(
        registry,
        "long_polls_in_progress",
        "Polls that have lasted for a millisecond or more",
        collector.long_polls().len(),
    );
    let busy = Family::<Label, Counter<f64, AtomicU64>>::default();
    for thread in collector.inspector.threads() {
        busy.get_or_create(&[("thread", thread.index.to_string())]).inc_by(thread.busy.as_secs_f64());
    }
    registry.register_with_unit(
        "thread_busy",
        "Time that each thread of the scheduler has spent in polls",
        Unit::Seconds,
        busy,
    );
}

/// The sums over the mailboxes of all live servers of one name, and the age of the oldest message in them.
#[derive(Default)]
struct Servers {
    length: usize,
    waiting: usize,
    oldest: f64,
}

fn mailboxes(collector: &mut Collector, registry: &mut Registry) {
    let scan = collector.scan();
    let mut by_name: BTreeMap<String, Servers> = BTreeMap::new();
    for (pid, mailbox) in scan.mailboxes() {
        let Some(name) = scan.name_of_server(pid) else { continue };
        let name = collector.server_totals.name_of_sum(name);
        let servers = by_name.entry(name.to_owned()).or_default();
        servers.length += mailbox.length;
        servers.waiting += mailbox.waiting;
        servers.oldest = servers.oldest.max(mailbox.oldest.map_or(0.0, |oldest| oldest.as_secs_f64()));
    }
    let (length, waiting) = (Family::<Label, Gauge>::default(), Family::<Label, Gauge>::default());
    let oldest = Family::<Label, Gauge<f64, AtomicU64>>::default();
    for (name, servers) in by_name {
        let label = [("server", name)];
        length.get_or_create(&label).set(as_i64(servers.length));
        waiting.get_or_create(&label).set(as_i64(servers.waiting));
        oldest.get_or_create(&label).set(servers.oldest);
    }
    let (handled, skipped) = (Family::<Label, Counter>::default(), Family::<Label, Counter>::default());
    for (name, done) in collector.server_totals.by_name() {
        let label = [("server", name.to_owned())];
        handled.get_or_create(&label).inc_by(done.handled);
        skipped.get_or_create(&label).inc_by(done.skipped);
    }
    registry.register("mailbox_messages", "Messages in the mailboxes of servers", length);
    registry.register("mailbox_waiting_senders", "Messages that wait for room in a mailbox", waiting);
    registry.register_with_unit("mailbox_oldest", "Age of the oldest message in a mailbox", Unit::Seconds, oldest);
    registry.register("messages_handled", "Messages that were handled", handled);
    registry.register("calls_skipped", "Calls that were skipped because their callers no longer waited", skipped);
}

fn observer(collector: &Collector, by_server: Dropped, registry: &mut Registry) {
    gauge(registry, "observer_warnings", "Warnings that the observer shows", collector.warner.current().len());
    let dropped = [
        ("crashes", collector.crashes.n_missed()),
        ("points", collector.history.n_dropped()),
        ("clients", by_server.clients),
        ("connections", by_server.connections),
    ];
    let family = Family::<Label, Counter>::default();
    for (what, n) in dropped {
        family.get_or_create(&[("what", what.to_owned())]).inc_by(n);
    }
    let help = "Crashes, points of history, clients and connections that the observer has dropped";
    registry.register("observer_dropped", help, family);
}

fn own_process(registry: &mut Registry) {
    let usage = OwnProcess::usage();
    if let Some(cpu) = usage.cpu {
        let counter = ConstCounter::new(cpu.as_secs_f64());
        registry.register_with_unit("cpu", "Processor time of the program", Unit::Seconds, counter);
    }
    if let Some(bytes) = usage.rss_bytes {
        let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
        registry.register_with_unit("resident_memory", "Resident memory of the program", Unit::Bytes, gauge);
    }
}
