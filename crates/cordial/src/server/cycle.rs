//! Calls by which servers wait for themselves: a server calls itself, or servers call each other in a cycle.

use std::collections::BTreeSet;

use super::behavior::Server;
use super::shared::{ServerShared, without_modules};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{RuntimeHandle, current};
use crate::{telemetry, unwind};

/// Returns the error of a call or cast that a server has sent to itself: the server would wait for itself, because it can handle the message
/// only after the wait.
pub(super) fn to_itself<S: Server>(shared: &ServerShared<S>, in_hand: Option<&'static str>, message: &str) -> Exit {
    let handler = match in_hand {
        Some(in_hand) => format!("in its handler of `{}`", without_modules(in_hand)),
        None => "in `started` or `stopping`".to_owned(),
    };
    Exit::from(format!(
        "server {} waits for itself: {handler}, it sent itself `{message}`, which it would handle only after that; call a method of its state instead, or send with `try_cast`, or in the future of `reply_later`",
        shared.name()
    ))
}

/// Emits an event if the server `called` waits for the calling process, directly or through other servers. Called when the calling process
/// has called `called`, and that call has exceeded its limit.
pub(super) fn emit(runtime: &RuntimeHandle, called: Pid) {
    let Some(caller) = current() else { return };
    let Some(cycle) = find_cycle(runtime, caller, called) else { return };
    let names: Vec<String> = cycle.iter().map(|pid| name(runtime, *pid)).collect();
    unwind::ignore_panic(|| telemetry::call_cycle(caller, &names.join(" -> ")));
}

/// Follows the calls backwards from `caller`, until `called` is found: first come the processes that wait for `caller`, then the processes
/// that wait for one of those, and so on. Returns the cycle, which begins and ends with `caller`.
fn find_cycle(runtime: &RuntimeHandle, caller: Pid, called: Pid) -> Option<Vec<Pid>> {
    // The processes, in the order in which they were found. The number is the index in this list of the server that the process waits for.
    let mut found = vec![(caller, 0)];
    let mut seen = BTreeSet::from([caller]);
    let mut place = 0;
    while let Some(&(server, _)) = found.get(place) {
        let serving = runtime.with(server, |entry| entry.serving().cloned()).flatten();
        for waiting in serving.iter().flat_map(|serving| serving.callers()) {
            if waiting == called {
                let mut cycle = vec![caller, called];
                let mut next = place;
                while next != 0 {
                    let (server, its_server) = found[next];
                    cycle.push(server);
                    next = its_server;
                }
                cycle.push(caller);
                return Some(cycle);
            }
            if seen.insert(waiting) {
                found.push((waiting, place));
            }
        }
        place += 1;
    }
    None
}

fn name(runtime: &RuntimeHandle, pid: Pid) -> String {
    match runtime.with(pid, |entry| entry.label().cloned()).flatten() {
        Some(label) => format!("{label:?} {pid}"),
        None => pid.to_string(),
    }
}
