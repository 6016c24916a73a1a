//! Programs as data: the operations of each process of a run.
//!
//! Process 0 is the root process, which is the runner. It starts the processes `1..=N_INITIAL`. Each other process is spawned by an
//! operation of a process with a lower number. Some are never spawned, since their parent may exit before.

use std::fmt;
use std::ops::Range;

use fastrand::Rng;

/// The number of a process within its program.
pub(crate) type Name = usize;

/// The root process of a run. No operation refers to it.
pub(crate) const ROOT: Name = 0;

/// The number of processes that the runner starts.
pub(crate) const N_INITIAL: Name = 4;

/// The approximate number of operations of a program. About half of them are reached: processes exit early, hang, or are never
/// spawned.
const N_OPS: Range<usize> = 180..240;

/// One operation of one process. Times are in milliseconds of the virtual clock. A `handle` is an index into the handles that the
/// process owns at that time, modulo their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Spawn(Name, Linkage),
    Start(Name, Linkage),
    Link(Name),
    Unlink(Name),
    /// Creates a monitor that the runner awaits.
    Monitor(Name),
    /// Creates a monitor, awaits it for at most this time, and drops it.
    AwaitEnd(Name, u64),
    Send(Name, Reason),
    Exit(Reason),
    Panic,
    /// From now on, the last destructor of the process panics.
    PanicInDrop,
    Await {
        handle: usize,
        limit: Limit,
        on_failure: OnFailure,
    },
    YieldFor {
        handle: usize,
        ms: u64,
    },
    Drop {
        handle: usize,
    },
    Ignore {
        handle: usize,
    },
    Shutdown {
        handle: usize,
        how: How,
    },
    /// Moves a handle into another process.
    Give {
        handle: usize,
        to: Name,
    },
    YieldNow,
    Sleep(u64),
    TrapExits,
    StopTrapping,
    /// Waits for a trapped exit for at most this time.
    AwaitExit(u64),
    /// Takes all exits that were trapped so far.
    TakeExits,
    /// Polls `shutdown_requested` once.
    PollRequest,
    AwaitRequest(u64),
    SetLabel,
    // The last operation of a script is one of these.
    Return,
    Fail,
    Hang,
    Serve,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linkage {
    Unlinked,
    Linked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Normal,
    Shutdown,
    /// With a text that is unique in the run, as is the text of `Error`.
    ShutdownBecause,
    Killed,
    Error,
    /// The last exit that the process has received.
    LastReceived,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Ms(u64),
    Default,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Continue,
    /// Exits with the failure, as `task.await?` does.
    ExitToo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Grace(u64),
    BrutalKill,
    Infinity,
}

impl Op {
    /// Returns whether the operation is skipped if the process owns no handle.
    pub(crate) fn needs_handle(self) -> bool {
        use Op::{Await, Drop, Give, Ignore, Shutdown, YieldFor};
        matches!(self, Await { .. } | YieldFor { .. } | Drop { .. } | Ignore { .. } | Shutdown { .. } | Give { .. })
    }

    /// Returns whether the operation is skipped if the process does not trap exits.
    pub(crate) fn needs_trap(self) -> bool {
        matches!(self, Op::StopTrapping | Op::AwaitExit(_) | Op::TakeExits)
    }

    /// The name that the operation is counted under.
    pub(crate) fn kind(self) -> String {
        let name = |op: Op| format!("{op:?}").split(['(', ' ']).next().unwrap_or_default().to_owned();
        match self {
            Op::Spawn(_, Linkage::Linked) => "SpawnLink".to_owned(),
            Op::Start(_, Linkage::Linked) => "StartLink".to_owned(),
            Op::Send(_, reason) | Op::Exit(reason) => format!("{} {reason:?}", name(self)),
            Op::Await { limit, .. } => {
                format!("Await {}", if matches!(limit, Limit::None) { "without limit" } else { "with limit" })
            }
            Op::Shutdown { how: How::Grace(0), .. } => "Shutdown without grace".to_owned(),
            Op::Shutdown { how: How::Grace(_), .. } => "Shutdown with grace".to_owned(),
            Op::Shutdown { how, .. } => format!("Shutdown {how:?}"),
            _ => name(self),
        }
    }
}

/// The script of every process, by name.
pub(crate) struct Program {
    scripts: Vec<Vec<Op>>,
}

impl Program {
    /// The program of a seed.
    pub(crate) fn of_seed(seed: u64) -> Program {
        let rng = &mut Rng::with_seed(seed);
        let n_processes = rng.usize(N_INITIAL + 4..=N_INITIAL + 10);
        let mut scripts = vec![Vec::new(); n_processes + 1];
        let n_ops = rng.usize(N_OPS);
        let parents: Vec<Name> = (N_INITIAL + 1..=n_processes).map(|child| rng.usize(1..child)).collect();
        for _ in 0..n_ops - n_processes {
            let op = any_op(rng, n_processes);
            let process =
                if op.needs_handle() { parents[rng.usize(..parents.len())] } else { rng.usize(1..=n_processes) };
            if matches!(op, Op::Ignore { .. } | Op::Shutdown { .. }) {
                // Without the sleep, the task has seldom ended by then.
                scripts[process].push(Op::Sleep(rng.u64(..25)));
            }
            scripts[process].push(op);
        }
        for (child, &parent) in (N_INITIAL + 1..).zip(&parents) {
            let linkage = if rng.bool() { Linkage::Linked } else { Linkage::Unlinked };
            let op = if rng.u8(..5) == 0 { Op::Start(child, linkage) } else { Op::Spawn(child, linkage) };
            let early = scripts[parent].len() / 3;
            scripts[parent].insert(rng.usize(..=early), op);
        }
        for script in scripts[1..].iter_mut().filter(|_| rng.u8(..3) == 0) {
            script.insert(0, Op::TrapExits);
        }
        for script in &mut scripts[1..] {
            script.push(last_op(rng));
        }
        Program { scripts }
    }

    pub(crate) fn script(&self, name: Name) -> &[Op] {
        &self.scripts[name]
    }

    pub(crate) fn names(&self) -> Range<Name> {
        1..self.scripts.len()
    }

    pub(crate) fn n_ops(&self) -> usize {
        self.scripts.iter().map(Vec::len).sum()
    }
}

fn any_op(rng: &mut Rng, n_processes: usize) -> Op {
    let name = rng.usize(1..=n_processes);
    let handle = rng.usize(..8);
    let ms = rng.u64(..25);
    match rng.u8(..100) {
        0..6 => Op::Link(name),
        6..9 => Op::Unlink(name),
        9..13 => Op::Monitor(name),
        13..16 => Op::AwaitEnd(name, ms),
        16..25 => Op::Send(name, any_reason(rng)),
        25..27 => Op::Exit(any_reason(rng)),
        27..29 => Op::Panic,
        29..31 => Op::PanicInDrop,
        31..42 => Op::Await { handle, limit: any_limit(rng, ms), on_failure: any_consequence(rng) },
        42..47 => Op::YieldFor { handle, ms },
        47..50 => Op::Drop { handle },
        50..54 => Op::Ignore { handle },
        54..63 => Op::Shutdown { handle, how: any_way(rng, ms) },
        63..67 => Op::Give { handle, to: name },
        67..76 => Op::YieldNow,
        76..82 => Op::Sleep(ms),
        82..84 => Op::TrapExits,
        84..85 => Op::StopTrapping,
        85..89 => Op::AwaitExit(ms),
        89..92 => Op::TakeExits,
        92..94 => Op::PollRequest,
        94..97 => Op::AwaitRequest(ms),
        _ => Op::SetLabel,
    }
}

/// The reasons that do not depend on earlier events.
const REASONS: [Reason; 5] = [Reason::Normal, Reason::Shutdown, Reason::ShutdownBecause, Reason::Killed, Reason::Error];

fn any_reason(rng: &mut Rng) -> Reason {
    match rng.u8(..9) {
        6.. => Reason::LastReceived,
        0 => Reason::Normal,
        1 => Reason::Shutdown,
        2 => Reason::ShutdownBecause,
        3 => Reason::Killed,
        _ => Reason::Error,
    }
}

fn any_limit(rng: &mut Rng, ms: u64) -> Limit {
    match rng.u8(..4) {
        0 => Limit::Default,
        1 => Limit::None,
        _ => Limit::Ms(ms),
    }
}

fn any_consequence(rng: &mut Rng) -> OnFailure {
    if rng.bool() { OnFailure::ExitToo } else { OnFailure::Continue }
}

fn any_way(rng: &mut Rng, ms: u64) -> How {
    match rng.u8(..7) {
        0 => How::Grace(0),
        1..4 => How::BrutalKill,
        4 => How::Infinity,
        _ => How::Grace(ms + 1),
    }
}

fn last_op(rng: &mut Rng) -> Op {
    match rng.u8(..10) {
        0..3 => Op::Return,
        3 => Op::Fail,
        // More exits, so that every kind of exit meets every kind of call.
        4..6 => Op::Exit(rng.choice(REASONS).unwrap_or(Reason::Normal)),
        6..8 => Op::Hang,
        _ => Op::Serve,
    }
}

/// The text that a failing seed prints.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in self.names() {
            writeln!(f, "  {name}: {:?}", self.script(name))?;
        }
        Ok(())
    }
}
