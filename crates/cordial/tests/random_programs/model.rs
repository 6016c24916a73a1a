//! What should have happened: a log is read from its beginning beside a model of the processes, and the first event that
//! does not fit is told.
//!
//! The model knows the signals of `elixir.md`, section 1.0, and nothing of threads, wakers or locks. Since one thread
//! ran everything, each event finds the processes exactly as the model has them. One thing it cannot know: when a
//! `shutdown` with grace came to kill. Whether it did is taken from the exit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::event::{Call, Cause, Event, Keeper};
use crate::program::{How, Name, STAGE, Tie};

/// What does not fit, and at which place of the log.
pub(crate) type Misfit = (usize, String);

/// Reads the whole log of a run.
pub(crate) fn check(log: &[Event]) -> Result<(), Misfit> {
    let mut model = Model::default();
    for (at, event) in log.iter().enumerate() {
        if let Event::Watched { of, keeper } = *event {
            let was_gone = !model.is_alive(of);
            model.watches.insert(at, Watch { of, keeper, was_gone, has_answered: false });
        }
        // The first monitor of a process tells its exit; see `Model::exit_of`.
        model.step(event, |of| first_exit(&log[at..], of, log)).map_err(|misfit| (at, misfit))?;
    }
    model.finish().map_err(|misfit| (log.len(), misfit))
}

fn first_exit(rest: &[Event], of: Name, log: &[Event]) -> Option<Cause> {
    let birth = Event::Watched { of, keeper: Keeper::Birth };
    rest.iter().find_map(|event| match event {
        Event::Down { watch, cause } if log[*watch] == birth => Some(cause.clone()),
        _ => None,
    })
}

#[derive(Default)]
struct Model {
    processes: BTreeMap<Name, Process>,
    watches: BTreeMap<usize, Watch>,
    is_over: bool,
}

/// A process that was born.
#[derive(Default)]
struct Process {
    /// How it ended, once its destructors have run.
    exit: Option<Cause>,
    /// What it was told to end with.
    ending: Option<Cause>,
    /// What its future gave: how it ends if nobody told it anything else.
    own: Option<Cause>,
    panic: Option<Cause>,
    /// Someone waits for its end for a while, and kills it then.
    may_be_killed: bool,

    links: BTreeSet<Name>,
    /// Who spawned it with a link, until its handle is given up.
    handle_link: Option<Name>,
    traps: bool,
    unread: VecDeque<(Option<Name>, Cause)>,

    wants_notice: bool,
    is_asked: bool,
    is_listening: bool,
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

struct Watch {
    of: Name,
    keeper: Keeper,
    was_gone: bool,
    has_answered: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Signal {
    Sent,
    LinkEnded,
}

/// `Err` with the sentence, if the condition does not hold.
fn demand(holds: bool, misfit: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(misfit()) }
}

impl Model {
    fn is_alive(&self, name: Name) -> bool {
        name == STAGE || self.processes.get(&name).is_some_and(|process| process.exit.is_none())
    }

    fn living(&mut self, name: Name) -> Option<&mut Process> {
        self.processes.get_mut(&name).filter(|process| process.exit.is_none())
    }

    /// Who does something has to be alive.
    fn actor(&mut self, name: Name) -> Result<&mut Process, String> {
        self.living(name).ok_or_else(|| format!("process {name} does something after its end, or before its birth"))
    }

    fn exit_of(&self, name: Name) -> Option<&Cause> {
        self.processes.get(&name)?.exit.as_ref()
    }

    fn step(&mut self, event: &Event, observed_exit: impl Fn(Name) -> Option<Cause>) -> Result<(), String> {
        match event {
            Event::Born { who, by, tie, has_handle } => self.birth(*who, *by, *tie, *has_handle)?,
            Event::Polled(who) => {
                let ending = self.actor(*who)?.ending.clone();
                demand(ending.is_none(), || format!("process {who} is polled after it was told to end: {ending:?}"))?;
            }
            Event::Did(who, _) => self.actor(*who)?.waits_for = None,
            Event::Returned(who) => {
                self.actor(*who)?.own.get_or_insert(Cause::Normal);
            }
            Event::Failing(who, cause) => self.actor(*who)?.own = Some(cause.clone()),
            Event::Panicked(who, message) => {
                self.actor(*who)?.panic.get_or_insert(Cause::Panic(message.clone()));
            }
            Event::Exiting(who, cause) => {
                self.actor(*who)?.ending.get_or_insert(cause.clone());
            }
            Event::Destroyed(who) => self.end(*who, observed_exit(*who))?,

            Event::Linked(by, to) => self.link(*by, *to)?,
            Event::Unlinked(by, to) => self.unlink(*by, *to),
            Event::Sent { by, to, cause } => self.signal(*to, Some(*by), cause, Signal::Sent),

            // Seen to by `check`, which knows its number.
            Event::Watched { .. } => {}
            Event::Down { watch, cause } => self.down(*watch, cause)?,
            Event::NotDown { watch } => {
                let of = self.watches[watch].of;
                demand(self.is_alive(of), || format!("a monitor of {of} hangs: its process has ended"))?;
            }

            Event::Trapping(who) => {
                let process = self.actor(*who)?;
                process.wants_notice = true;
                process.traps = true;
                process.unread.clear();
            }
            Event::NotTrapping(who) => self.actor(*who)?.traps = false,
            Event::Trapped { who, from, cause } => {
                let expected = self.actor(*who)?.unread.pop_front();
                demand(expected.as_ref() == Some(&(*from, cause.clone())), || {
                    format!("process {who} traps {cause:?} from {from:?} instead of {expected:?}")
                })?;
            }
            Event::AllTrapped(who) => {
                let unread = &self.actor(*who)?.unread;
                demand(unread.is_empty(), || format!("process {who} has not been told of an exit: {unread:?}"))?;
            }

            Event::WantsNotice(who) => {
                let process = self.actor(*who)?;
                process.wants_notice = true;
                process.is_listening = true;
            }
            Event::Noticed { who, is_asked } => {
                let process = self.actor(*who)?;
                process.is_listening = false;
                demand(process.is_asked == *is_asked, || format!("process {who}: asked to end is not {is_asked}"))?;
            }

            Event::GivenUp { of, by } => self.give_up(*of, *by),
            Event::Stopping { of, by, how } => self.stopping(*of, *by, *how),
            Event::Waiting { who, of } => self.actor(*who)?.waits_for = Some(*of),
            Event::Answered { of, by, call, was_taken, answer } => {
                self.actor(*by)?.waits_for = None;
                self.answer(*of, *by, *call, *was_taken, answer.as_ref()).map_err(|why| {
                    format!(
                        "process {by} has asked the handle of {of} by {call:?}, and the answer was {answer:?}: {why}"
                    )
                })?;
            }
            Event::ValueMade(of) => self.actor(*of)?.value = Value::Made,
            Event::ValueDropped(of) => {
                if let Some(process) = self.processes.get_mut(of) {
                    process.n_values_dropped += 1;
                }
            }

            Event::Seen(seen) => self.look(seen)?,
            Event::Curtain => self.curtain()?,
            Event::Over { left } => {
                self.is_over = true;
                demand(left.is_empty(), || format!("at the end of the run the table has {left:?}"))?;
            }
        }
        Ok(())
    }

    fn birth(&mut self, who: Name, by: Name, tie: Tie, has_handle: bool) -> Result<(), String> {
        let mut process = Process::default();
        if tie == Tie::Linked {
            self.actor(by)?.links.insert(who);
            process.links.insert(by);
            process.handle_link = Some(by).filter(|_| has_handle);
        }
        let known = self.processes.insert(who, process);
        demand(known.is_none(), || format!("process {who} is born twice"))
    }

    /// Its last destructor has run: from here on, others are told.
    fn end(&mut self, who: Name, observed: Option<Cause>) -> Result<(), String> {
        let process = self.actor(who)?;
        let killed = Some(Cause::Killed).filter(|killed| process.may_be_killed && observed.as_ref() == Some(killed));
        let exit = process.panic.take().or(killed).or(process.ending.take()).or(process.own.take());
        let Some(exit) = exit else {
            return Err(format!("process {who} ends, and nobody told it to: {observed:?}"));
        };
        process.exit = Some(exit.clone());
        for peer in std::mem::take(&mut process.links) {
            self.signal(peer, Some(who), &exit, Signal::LinkEnded);
        }
        Ok(())
    }

    /// The table of `elixir.md`, section 1.0.
    fn signal(&mut self, to: Name, from: Option<Name>, cause: &Cause, signal: Signal) {
        let Some(process) = self.living(to) else { return };
        if signal == Signal::LinkEnded && !from.is_some_and(|from| process.links.remove(&from)) {
            return;
        }
        if process.ending.is_some() {
            return;
        }
        let is_request = signal == Signal::Sent && matches!(cause, Cause::Shutdown(_));
        process.is_asked |= is_request;
        if signal == Signal::Sent && *cause == Cause::Killed {
            process.ending = Some(Cause::Killed);
        } else if process.traps {
            process.unread.push_back((from, cause.clone()));
        } else if is_request && process.wants_notice {
            // It is told, and goes on.
        } else if *cause != Cause::Normal || (signal == Signal::Sent && from == Some(to)) {
            process.ending = Some(cause.clone());
        }
    }

    fn link(&mut self, by: Name, to: Name) -> Result<(), String> {
        if by == to {
            return Ok(());
        }
        let own = self.actor(by)?;
        own.links.insert(to);
        if let Some(other) = self.living(to) {
            other.links.insert(by);
            return Ok(());
        }
        self.actor(by)?.links.remove(&to);
        // Who was never born has the pid of nobody.
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

    fn give_up(&mut self, of: Name, by: Name) {
        self.remove_handle_link(of);
        self.signal(of, Some(by), &Cause::Shutdown(None), Signal::Sent);
    }

    fn stopping(&mut self, of: Name, by: Name, how: How) {
        self.remove_handle_link(of);
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

    fn down(&mut self, watch: usize, cause: &Cause) -> Result<(), String> {
        let Watch { of, was_gone, ref mut has_answered, .. } = *self.watches.get_mut(&watch).expect("it was made");
        let told_before = std::mem::replace(has_answered, true);
        demand(!told_before, || format!("monitor {watch} answers twice"))?;
        let Some(expected) = (if was_gone { Some(&Cause::NoProcess) } else { self.exit_of(of) }) else {
            return Err(format!("an early end: process {of} is still there, and a monitor is told {cause:?}"));
        };
        demand(expected == cause, || format!("a monitor of process {of} is told {cause:?} instead of {expected:?}"))
    }

    fn answer(
        &mut self,
        of: Name,
        by: Name,
        call: Call,
        was_taken: bool,
        answer: Option<&Result<(), Cause>>,
    ) -> Result<(), String> {
        if was_taken {
            let expected = if call == Call::Ignore { None } else { Some(Err(Cause::NoProcess)) };
            return demand(answer == expected.as_ref(), || "it was taken before".to_owned());
        }
        let is_alive = self.is_alive(of);
        let exit = self.exit_of(of).cloned();
        let value = self.processes.get(&of).map_or(Value::None, |process| process.value);
        let asked_for = match call {
            Call::Shutdown(How::BrutalKill) => Some(Cause::Killed),
            Call::Shutdown(_) => Some(Cause::Shutdown(None)),
            _ => None,
        };
        match (call, answer) {
            (Call::Await, Some(Err(Cause::Timeout(late)))) if is_alive && *late == Some(of) => self.give_up(of, by),
            (_, Some(Ok(()))) => {
                demand(!is_alive && value == Value::Made, || format!("its value is {value:?}, its exit {exit:?}"))?;
                self.processes.entry(of).and_modify(|process| process.value = Value::Delivered);
            }
            (_, Some(Err(told))) => {
                demand(value == Value::None, || "a value goes before any exit".to_owned())?;
                demand(exit.as_ref() == Some(told), || format!("it ended with {exit:?}"))?;
                demand(asked_for.as_ref() != Some(told), || "that is what the call asked for".to_owned())?;
            }
            (Call::Shutdown(_), None) => {
                demand(value == Value::None && exit == asked_for, || format!("it gave {value:?}, and ended {exit:?}"))?;
            }
            (Call::YieldFor, None) => demand(is_alive, || format!("it has ended: {exit:?}"))?,
            (Call::Ignore, None) => {
                demand(is_alive, || format!("it has ended: {exit:?}"))?;
                self.remove_handle_link(of);
            }
            (Call::Await, None) => return Err("an await always answers".to_owned()),
        }
        Ok(())
    }

    /// Compares the table with the model.
    fn look(&self, seen: &[(Name, Vec<Name>)]) -> Result<(), String> {
        for (a, links) in seen {
            for b in links {
                let Some((_, back)) = seen.iter().find(|(name, _)| name == b) else {
                    return Err(format!("a lost exit: process {a} is still linked to {b}, which has ended"));
                };
                demand(back.contains(a), || {
                    format!("half a link: process {a} is linked to {b}, which is not linked to it")
                })?;
            }
        }
        let living = self.processes.iter().filter(|(_, process)| process.exit.is_none());
        let expected: Vec<_> = living.map(|(name, process)| (*name, process.links.iter().copied().collect())).collect();
        demand(*seen == expected, || format!("the table has {seen:?}, and should have {expected:?}"))
    }

    /// Nothing has happened for long, so whatever waits now waits for ever.
    fn curtain(&self) -> Result<(), String> {
        for (name, process) in self.processes.iter().filter(|(_, process)| process.exit.is_none()) {
            let Process { ending, waits_for, .. } = process;
            demand(ending.is_none(), || format!("process {name} was told to end, and has not: {ending:?}"))?;
            if let Some(of) = *waits_for {
                demand(self.is_alive(of), || format!("process {name} hangs: it waits for {of}, which has ended"))?;
            }
            demand(!(process.is_listening && process.is_asked), || {
                format!("process {name} hangs: it waits to be asked, and was asked")
            })?;
        }
        self.no_monitor_hangs()
    }

    fn no_monitor_hangs(&self) -> Result<(), String> {
        let on_stage = self.watches.values().filter(|watch| watch.keeper != Keeper::Maker && !watch.has_answered);
        for watch in on_stage {
            let of = watch.of;
            demand(!watch.was_gone && self.is_alive(of), || format!("a monitor of {of} hangs: its process has ended"))?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), String> {
        demand(self.is_over, || "the run has no end".to_owned())?;
        for (name, process) in &self.processes {
            demand(process.exit.is_some(), || format!("process {name} has not ended"))?;
            let n_watches = self.watches.values().filter(|watch| watch.of == *name && watch.keeper == Keeper::Birth);
            let n_ends = n_watches.filter(|watch| watch.has_answered).count();
            demand(n_ends == 1, || format!("process {name} has {n_ends} ends"))?;
            let (value, n_dropped) = (process.value, process.n_values_dropped);
            demand(n_dropped == usize::from(value != Value::None), || {
                format!("the value of process {name} was {value:?}, and was dropped {n_dropped} times")
            })?;
        }
        self.no_monitor_hangs()
    }
}

#[cfg(test)]
mod tests;
