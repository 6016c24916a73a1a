//! The program as text, for logs and bug reports.

use std::fmt::Write;
use std::time::Duration;

use super::overview::Identity;
use crate::collector::Collector;
use crate::source::{shown_label, visible};
use crate::view::Severity;

/// Returns the newest numbers, the warnings, the polls that have lasted for about 1 ms or more, and `tree`, which is the text of a snapshot and ends
/// with the latest crashes. Hidden characters in labels and other texts of processes are escaped, so that a label cannot imitate a line.
pub(crate) fn dump(collector: &Collector, identity: &Identity, tree: &str) -> String {
    let now = collector.now();
    let mut text = String::new();
    let observed = Duration::from_millis(collector.clock.now_ms() - collector.clock.started_at_ms());
    let (name, pid) = (&identity.name, std::process::id());
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string accepts text");
    line(format_args!("{name}, OS process {pid}, observed for {:.1} s", observed.as_secs_f64()));
    if collector.inspector.is_shut_down() {
        line(format_args!("the runtime was shut down: no process can be started any more"));
    }
    line(format_args!(
        "workers {:.0} % busy, {} tasks queued, {} processes, {:.0} spawned and {:.0} ended per second, {} crashes",
        now.utilization * 100.0,
        now.queued,
        now.live,
        now.spawned,
        now.ended,
        collector.crashes.total()
    ));
    if let (Some(cpu), Some(bytes)) = (now.cpu, now.rss_bytes) {
        line(format_args!("{cpu:.2} processors, {} MiB of memory", bytes >> 20));
    }
    for warning in collector.warner.current() {
        let severity = match warning.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
        };
        line(format_args!("{severity}: {}", visible(&warning.sentence)));
    }
    for poll in collector.long_polls() {
        let label = shown_label(poll.label.as_ref()).unwrap_or_default();
        line(format_args!(
            "long poll: {} {} spawned at {}, {:.3} s on thread {}",
            visible(&label),
            poll.pid,
            poll.spawned_at,
            poll.lasted.as_secs_f64(),
            poll.thread
        ));
    }
    tree.lines().for_each(|of_tree| line(format_args!("{}", visible(of_tree))));
    text
}
