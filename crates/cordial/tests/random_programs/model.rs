//! The model: replays a log and returns the first event that does not match.
//!
//! The model implements the signal table of `process/mod.rs`, without threads, wakers or locks. One thread ran everything, so at
//! each event the processes have exactly the state of the model. There is one exception: the model does not know when a
//! `shutdown` with a grace time kills. Whether it did is derived from the observed exit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::event::{AwaitedBy, Call, Cause, Event};
use crate::program::{How, Linkage, Name, ROOT};

/// The index of the first event that does not match, and the reason.
pub(crate) type Mismatch = (usize, String);

/// Checks the whole log of a run.
pub(crate) fn check(log: &[Event]) -> Result<(), Mismatch> {
    let mut model = Model::default();
    for (at, event) in log.iter().enumerate() {
        if let Event::MonitorCreated { of, awaited_by } = *event {
            let was_gone = !model.is_alive(of);
            model.monitors.insert(at, Monitor { of, awaited_by, was_gone, has_resolved: false });
        }
        // The observed exit comes from the monitor of the runner, which was created at the spawn.
        model.step(event, |of| first_exit(&log[at..], of, log)).map_err(|mismatch| (at, mismatch))?;
    }
    model.finish().map_err(|mismatch| (log.len(), mismatch))
}

fn first_exit(rest: &[Event], of: Name, log: &[Event]) -> Option<Cause> {
    let spawned = Event::MonitorCreated { of, awaited_by: AwaitedBy::RunnerFromSpawn };
    rest.iter().find_map(|event| match event {
        Event::Down { number, cause } if log[*number] == spawned => Some(cause.clone()),
        _ => None,
    })
}

#[derive(Default)]
struct Model {
    processes: BTreeMap<Name, Process>,
    monitors: BTreeMap<usize, Monitor>,
    has_finished: bool,
}

/// A process that was spawned.
#[derive(Default)]
struct Process {
    /// Its exit, after its destructors have run.
    exit: Option<Cause>,
    /// The exit that a signal or `cordial::exit` has decided.
    ending: Option<Cause>,
    /// The exit that follows from the result of its future, if no other exit is decided.
    own: Option<Cause>,
    panic: Option<Cause>,
    /// A `shutdown` with a grace time may kill it.
    may_be_killed: bool,

    links: BTreeSet<Name>,
    /// The process that spawned it with a link, until its handle is dropped.
    handle_link: Option<Name>,
    traps: bool,
    unread: VecDeque<(Option<Name>, Cause)>,

    has_opted_in: bool,
    is_requested: bool,
    waits_for_request: bool,
    waits_for: Option<Name>,

    value: Value,
    n_values_dropped: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Value {
    #[default]
    None,
    Made,
    Delivered,
}

struct Monitor {
    of: Name,
    awaited_by: AwaitedBy,
    was_gone: bool,
    has_resolved: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Signal {
    Sent,
    LinkEnded,
}

/// Returns `Err` if the condition does not hold.
fn require(holds: bool, mismatch: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(mismatch()) }
}

impl Model {
    fn is_alive(&self, name: Name) -> bool {
        name == ROOT || self.processes.get(&name).is_some_and(|process| process.exit.is_none())
    }

    fn living(&mut self, name: Name) -> Option<&mut Process> {
        self.processes.get_mut(&name).filter(|process| process.exit.is_none())
    }

    /// The process, which must be running: it has caused an event.
    fn running_process(&mut self, name: Name) -> Result<&mut Process, String> {
        self.living(name).ok_or_else(|| format!("process {name} has an event after its exit or before its spawn"))
    }

    fn exit_of(&self, name: Name) -> Option<&Cause> {
        self.processes.get(&name)?.exit.as_ref()
    }

    fn step(&mut self, event: &Event, observed_exit: impl Fn(Name) -> Option<Cause>) -> Result<(), String> {
        match event {
            Event::Spawned { who, by, linkage, has_handle } => self.spawned(*who, *by, *linkage, *has_handle)?,
            Event::Polled(who) => {
                let ending = self.running_process(*who)?.ending.clone();
                require(ending.is_none(), || {
                    format!("process {who} is polled after its exit was decided: {ending:?}")
                })?;
            }
            Event::Step(who, _) => self.running_process(*who)?.waits_for = None,
            Event::Returned(who) => {
                self.running_process(*who)?.own.get_or_insert(Cause::Normal);
            }
            Event::Failing(who, cause) => self.running_process(*who)?.own = Some(cause.clone()),
            Event::Panicked(who, message) => {
                self.running_process(*who)?.panic.get_or_insert(Cause::Panic(message.clone()));
            }
            Event::Exiting(who, cause) => {
                self.running_process(*who)?.ending.get_or_insert(cause.clone());
            }
            Event::Destroyed(who) => self.exit(*who, observed_exit(*who))?,

            Event::Linked(by, to) => self.link(*by, *to)?,
            Event::Unlinked(by, to) => self.unlink(*by, *to),
            Event::Sent { by, to, cause } => self.signal(*to, Some(*by), cause, Signal::Sent),

            // Handled by `check`, which knows the number.
            Event::MonitorCreated { .. } => {}
            Event::Down { number, cause } => self.down(*number, cause)?,
            Event::MonitorDropped { number } => {
                let of = self.monitors[number].of;
                require(self.is_alive(of), || format!("a monitor of {of} hangs: the process has exited"))?;
            }

            Event::Trapping(who) => {
                let process = self.running_process(*who)?;
                process.has_opted_in = true;
                process.traps = true;
                process.unread.clear();
            }
            Event::NotTrapping(who) => self.running_process(*who)?.traps = false,
            Event::Trapped { who, from, cause } => {
                let expected = self.running_process(*who)?.unread.pop_front();
                require(expected.as_ref() == Some(&(*from, cause.clone())), || {
                    format!("process {who} traps {cause:?} from {from:?} instead of {expected:?}")
                })?;
            }
            Event::NothingTrapped(who) => {
                let unread = &self.running_process(*who)?.unread;
                require(unread.is_empty(), || format!("process {who} has not received a trapped exit: {unread:?}"))?;
            }

            Event::OptedIn(who) => {
                let process = self.running_process(*who)?;
                process.has_opted_in = true;
                process.waits_for_request = true;
            }
            Event::RequestPolled { who, is_requested } => {
                let process = self.running_process(*who)?;
                process.waits_for_request = false;
                require(process.is_requested == *is_requested, || {
                    format!("process {who}: shutdown requested is not {is_requested}")
                })?;
            }

            Event::HandleDropped { of, by, is_in_poll } => self.handle_dropped(*of, *by, *is_in_poll),
            Event::ShutdownCalled { of, by, how } => self.shutdown_called(*of, *by, *how),
            Event::Waiting { who, of } => self.running_process(*who)?.waits_for = Some(*of),
            Event::CallReturned { of, by, call, was_taken, answer } => {
                self.running_process(*by)?.waits_for = None;
                self.call_returned(*of, *by, *call, *was_taken, answer.as_ref()).map_err(|why| {
                    format!("process {by} called {call:?} on the handle of {of}, which returned {answer:?}: {why}")
                })?;
            }
            Event::ValueMade(of) => self.running_process(*of)?.value = Value::Made,
            Event::ValueDropped(of) => {
                if let Some(process) = self.processes.get_mut(of) {
                    process.n_values_dropped += 1;
                }
            }

            Event::Table(seen) => self.check_table(seen)?,
            Event::Quiescent => self.check_quiescent()?,
            Event::Finished { remaining } => {
                self.has_finished = true;
                require(remaining.is_empty(), || format!("at the end of the run the table has {remaining:?}"))?;
            }
        }
        Ok(())
    }

    fn spawned(&mut self, who: Name, by: Name, linkage: Linkage, has_handle: bool) -> Result<(), String> {
        let mut process = Process::default();
        if linkage == Linkage::Linked {
            self.running_process(by)?.links.insert(who);
            process.links.insert(by);
            process.handle_link = Some(by).filter(|_| has_handle);
        }
        let known = self.processes.insert(who, process);
        require(known.is_none(), || format!("process {who} is spawned twice"))
    }

    /// The last destructor has run. Now the exit is passed to links, monitors and the handle.
    fn exit(&mut self, who: Name, observed: Option<Cause>) -> Result<(), String> {
        let process = self.running_process(who)?;
        let killed = Some(Cause::Killed).filter(|killed| process.may_be_killed && observed.as_ref() == Some(killed));
        let exit = process.panic.take().or(killed).or(process.ending.take()).or(process.own.take());
        let Some(exit) = exit else {
            return Err(format!("process {who} exits without a reason: {observed:?}"));
        };
        process.exit = Some(exit.clone());
        for peer in std::mem::take(&mut process.links) {
            self.signal(peer, Some(who), &exit, Signal::LinkEnded);
        }
        Ok(())
    }

    /// The signal table.
    fn signal(&mut self, to: Name, from: Option<Name>, cause: &Cause, signal: Signal) {
        let Some(process) = self.living(to) else { return };
        if signal == Signal::LinkEnded && !from.is_some_and(|from| process.links.remove(&from)) {
            return;
        }
        if process.ending.is_some() {
            return;
        }
        let is_request = signal == Signal::Sent && matches!(cause, Cause::Shutdown(_));
        process.is_requested |= is_request;
        if signal == Signal::Sent && *cause == Cause::Killed {
            process.ending = Some(Cause::Killed);
        } else if process.traps {
            process.unread.push_back((from, cause.clone()));
        } else if is_request && process.has_opted_in {
            // The process was notified and continues to run.
        } else if *cause != Cause::Normal || (signal == Signal::Sent && from == Some(to)) {
            process.ending = Some(cause.clone());
        }
    }

    fn link(&mut self, by: Name, to: Name) -> Result<(), String> {
        if by == to {
            return Ok(());
        }
        let own = self.running_process(by)?;
        own.links.insert(to);
        if let Some(other) = self.living(to) {
            other.links.insert(by);
            return Ok(());
        }
        self.running_process(by)?.links.remove(&to);
        // A process that was never spawned has the pid of no process.
        let from = self.processes.contains_key(&to).then_some(to);
        self.signal(by, from, &Cause::NoProcess, Signal::Sent);
        Ok(())
    }

    fn unlink(&mut self, a: Name, b: Name) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(process) = self.living(from) {
                process.links.remove(&to);
            }
        }
    }

    fn remove_handle_link(&mut self, of: Name) {
        if let Some(spawner) = self.living(of).and_then(|process| process.handle_link.take()) {
            self.unlink(spawner, of);
        }
    }

    fn handle_dropped(&mut self, of: Name, by: Name, is_in_poll: bool) {
        self.remove_handle_link(of);
        // The exit of a process that ends reaches the processes whose handles it drops.
        if is_in_poll {
            self.unlink(of, by);
        }
        self.signal(of, Some(by), &Cause::Shutdown(None), Signal::Sent);
    }

    fn shutdown_called(&mut self, of: Name, by: Name, how: How) {
        self.remove_handle_link(of);
        self.unlink(of, by);
        if how != How::BrutalKill {
            self.signal(of, Some(by), &Cause::Shutdown(None), Signal::Sent);
        }
        match how {
            How::Grace(0) | How::BrutalKill => self.signal(of, None, &Cause::Killed, Signal::Sent),
            How::Grace(_) => {
                if let Some(process) = self.living(of) {
                    process.may_be_killed = true;
                }
            }
            How::Infinity => {}
        }
    }

    fn down(&mut self, number: usize, cause: &Cause) -> Result<(), String> {
        let Monitor { of, was_gone, ref mut has_resolved, .. } =
            *self.monitors.get_mut(&number).expect("the monitor was created");
        let resolved_before = std::mem::replace(has_resolved, true);
        require(!resolved_before, || format!("monitor {number} resolves twice"))?;
        let Some(expected) = (if was_gone { Some(&Cause::NoProcess) } else { self.exit_of(of) }) else {
            return Err(format!("an early exit: process {of} is running, and a monitor returns {cause:?}"));
        };
        require(expected == cause, || format!("a monitor of process {of} returns {cause:?} instead of {expected:?}"))
    }

    fn call_returned(
        &mut self,
        of: Name,
        by: Name,
        call: Call,
        was_taken: bool,
        answer: Option<&Result<(), Cause>>,
    ) -> Result<(), String> {
        if was_taken {
            let expected = if call == Call::Ignore { None } else { Some(Err(Cause::NoProcess)) };
            return require(answer == expected.as_ref(), || "the result was taken before".to_owned());
        }
        let is_alive = self.is_alive(of);
        let exit = self.exit_of(of).cloned();
        let value = self.processes.get(&of).map_or(Value::None, |process| process.value);
        let requested = match call {
            Call::Shutdown(How::BrutalKill) => Some(Cause::Killed),
            Call::Shutdown(_) => Some(Cause::Shutdown(None)),
            _ => None,
        };
        match (call, answer) {
            (Call::Await, Some(Err(Cause::Timeout(late)))) if is_alive && *late == Some(of) => {
                self.handle_dropped(of, by, true)
            }
            (_, Some(Ok(()))) => {
                require(!is_alive && value == Value::Made, || {
                    format!("the value is {value:?}, and the exit {exit:?}")
                })?;
                self.processes.entry(of).and_modify(|process| process.value = Value::Delivered);
            }
            (_, Some(Err(returned))) => {
                require(value == Value::None, || "a value takes precedence over any exit".to_owned())?;
                require(exit.as_ref() == Some(returned), || format!("the exit was {exit:?}"))?;
                require(requested.as_ref() != Some(returned), || {
                    "the call asked for this exit, so it returns None".to_owned()
                })?;
            }
            (Call::Shutdown(_), None) => {
                require(value == Value::None && exit == requested, || {
                    format!("the value is {value:?}, and the exit {exit:?}")
                })?;
            }
            (Call::YieldFor, None) => require(is_alive, || format!("the process has exited: {exit:?}"))?,
            (Call::Ignore, None) => {
                require(is_alive, || format!("the process has exited: {exit:?}"))?;
                self.remove_handle_link(of);
                self.unlink(of, by);
            }
            (Call::Await, None) => return Err("an await always returns a result".to_owned()),
        }
        Ok(())
    }

    /// Compares the process table with the model.
    fn check_table(&self, seen: &[(Name, Vec<Name>)]) -> Result<(), String> {
        for (a, links) in seen {
            for b in links {
                let Some((_, back)) = seen.iter().find(|(name, _)| name == b) else {
                    return Err(format!("a lost exit: process {a} is still linked to {b}, which has exited"));
                };
                require(back.contains(a), || {
                    format!("a one-sided link: process {a} is linked to {b}, and {b} is not linked to {a}")
                })?;
            }
        }
        let living = self.processes.iter().filter(|(_, process)| process.exit.is_none());
        let expected: Vec<_> = living.map(|(name, process)| (*name, process.links.iter().copied().collect())).collect();
        require(*seen == expected, || format!("the table has {seen:?}, and should have {expected:?}"))
    }

    /// No process has made progress for a long time, so a process that waits now waits forever.
    fn check_quiescent(&self) -> Result<(), String> {
        for (name, process) in self.processes.iter().filter(|(_, process)| process.exit.is_none()) {
            let Process { ending, waits_for, .. } = process;
            require(ending.is_none(), || {
                format!("process {name} has not exited although its exit was decided: {ending:?}")
            })?;
            if let Some(of) = *waits_for {
                require(self.is_alive(of), || format!("process {name} hangs: it waits for {of}, which has exited"))?;
            }
            require(!(process.waits_for_request && process.is_requested), || {
                format!("process {name} hangs: it waits for a shutdown request, which was sent")
            })?;
        }
        self.no_monitor_hangs()
    }

    fn no_monitor_hangs(&self) -> Result<(), String> {
        let of_runner =
            self.monitors.values().filter(|monitor| monitor.awaited_by != AwaitedBy::Process && !monitor.has_resolved);
        for monitor in of_runner {
            let of = monitor.of;
            require(!monitor.was_gone && self.is_alive(of), || {
                format!("a monitor of {of} hangs: the process has exited")
            })?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), String> {
        require(self.has_finished, || "the run has not finished".to_owned())?;
        for (name, process) in &self.processes {
            require(process.exit.is_some(), || format!("process {name} has not exited"))?;
            let of_process = self
                .monitors
                .values()
                .filter(|monitor| monitor.of == *name && monitor.awaited_by == AwaitedBy::RunnerFromSpawn);
            let n_ends = of_process.filter(|monitor| monitor.has_resolved).count();
            require(n_ends == 1, || format!("the monitor of process {name} has resolved {n_ends} times"))?;
            let (value, n_dropped) = (process.value, process.n_values_dropped);
            require(n_dropped == usize::from(value != Value::None), || {
                format!("the value of process {name} was {value:?}, and was dropped {n_dropped} times")
            })?;
        }
        self.no_monitor_hangs()
    }
}

#[cfg(test)]
mod tests;
