//! Reads what the workers write.

use std::time::{Duration, Instant};

use cordial::Pid;

use super::{Connection, Driver};
use crate::pool::clock::now;
use crate::pool::events;
use crate::pool::process::Process;

/// How many times an output is read before the sockets are looked at: together, these reads take more than a pipe holds.
const READS: usize = 4;

/// After a read of fewer than `FEW` bytes, the thread does not wait for the outputs of the worker during `REST`. Otherwise, a function that writes
/// line by line would wake the thread for each line, which takes ten times as long as to write the line.
const FEW: usize = 16 << 10;
const REST: Duration = Duration::from_millis(1);

/// The function of a call, and the process that stands for it.
type Caller = (&'static str, Option<Pid>);

impl Connection {
    /// Ends the last lines of a call, which may have no line break: what follows belongs to another call.
    pub(super) fn finish_lines(&mut self, call: Option<Caller>) {
        let os_pid = self.process.os.id.as_raw_nonzero().get();
        for output in [&mut self.process.stdout, &mut self.process.stderr] {
            let stream = output.stream;
            output.finish(&mut |line| events::output(stream, os_pid, call, line));
        }
    }
}

impl Driver {
    /// Ends the rests that are over. Returns `limit`, cut to the end of the next rest.
    pub(super) fn wake_outputs(&mut self, mut limit: Option<Duration>) -> Option<Duration> {
        let mut time: Option<Instant> = None;
        for connection in self.connections.values_mut() {
            let Some(until) = connection.outputs_rest else { continue };
            let left = until.saturating_duration_since(*time.get_or_insert_with(now));
            if left.is_zero() {
                connection.outputs_rest = None;
            } else {
                limit = Some(limit.map_or(left, |limit| limit.min(left)));
            }
        }
        limit
    }

    /// Reads outputs that are readable, and lets them rest if they hold little.
    pub(super) fn read_ready_outputs(&mut self, id: u64) {
        if self.read_all_outputs(id) < FEW
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.outputs_rest = Some(now() + REST);
        }
    }

    /// Reads what the pipes of both outputs hold, and returns how much that was.
    pub(super) fn read_all_outputs(&mut self, id: u64) -> usize {
        let call = self.caller(id);
        let Some(connection) = self.connections.get_mut(&id) else { return 0 };
        let os_pid = connection.process.os.id.as_raw_nonzero().get();
        let mut total = 0;
        let Process { stdout, stderr, .. } = &mut connection.process;
        for output in [stdout, stderr] {
            let stream = output.stream;
            for _ in 0..READS {
                let read = output.read(&mut self.buffer, &mut |line| events::output(stream, os_pid, call, line));
                total += read.bytes;
                if !read.has_more {
                    break;
                }
            }
        }
        total
    }

    /// Ends the lines that a worker has written while it started: they belong to no call. `has_outputs` says whether all of them were read.
    pub(super) fn end_outputs_of_start(&mut self, id: u64, has_outputs: bool) {
        if !has_outputs {
            self.read_all_outputs(id);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.finish_lines(None);
            connection.process.stderr.forget();
        }
    }

    /// Returns the call whose output a worker writes. `None` if the worker runs no call, or no subscriber takes lines of output.
    pub(super) fn caller(&self, id: u64) -> Option<Caller> {
        if !events::shows_output() {
            return None;
        }
        let state = self.shared.lock();
        let call = state.workers.get(&id)?.call.as_ref()?;
        Some((call.signature.name(), call.process))
    }
}
