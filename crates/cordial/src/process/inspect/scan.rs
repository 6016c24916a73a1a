//! A walk through all processes of a runtime, in chunks.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::activity::Readings;
use super::summary::ProcessSummary;
use crate::pid::Pid;
use crate::process::runtime::RuntimeHandle;
use crate::process::serving::Serving;

/// How many summaries are made at most before the first of them is passed to the closure. A chunk fits into the second-level cache of
/// a processor.
const CHUNK: usize = 256;

/// Calls `f` with a summary of each live process, ordered by pid, until `f` returns `Break`. With `after`, begins at the slot that
/// follows the slot of that pid. No lock is held during a call.
pub(in crate::process) fn visit(
    runtime: &RuntimeHandle,
    after: Option<Pid>,
    f: &mut dyn FnMut(&ProcessSummary) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let readings = Readings::new(runtime);
    let mut chunk: Vec<ProcessSummary> = Vec::with_capacity(CHUNK);
    let mut servers: Vec<(usize, Arc<dyn Serving>)> = Vec::new();
    let mut next = Some(after.map_or(0, |after| after.index().saturating_add(1)));
    while let Some(from) = next {
        next = runtime.scan(from, &mut |pid, entry| {
            servers.extend(entry.serving().map(|serving| (chunk.len(), serving.clone())));
            chunk.push(ProcessSummary::new(&readings, pid, entry));
            if chunk.len() < CHUNK { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        // Outside of the lock of the table, because servers take locks of their own.
        for (index, server) in servers.drain(..) {
            chunk[index].mailbox = Some(server.mailbox());
        }
        chunk.iter().try_for_each(&mut *f)?;
        // The last reference to a label may be dropped here; it runs no user code.
        chunk.clear();
    }
    ControlFlow::Continue(())
}
