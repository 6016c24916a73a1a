//! A task: its parts, its owner in each state, and how it is woken.
//!
//! ```text
//!   Runnable ── the one owner ──► Task (a box) ── future, or output ──► DynFuture
//!                                  │  │  └────── scheduler ──────────► SchedulerRef
//!                                  ▼  ▼ waker
//!                                 Header (counted): owner slot, join slot, key ◄── wakers, TaskRef, join handle
//! ```
//!
//! | state | the `Runnable` is | `Header::owner` | `Header::join` | future |
//! |---|---|---|---|---|
//! | free | in a free list | empty | running | cleared, or none |
//! | prepared | in `Prepared` | empty | running | running |
//! | queued | in a queue | empty | running or detached | running |
//! | polled | with the thread that polls it | empty | running or detached | running |
//! | waiting | in `Header::owner` | the task | running or detached | running |
//! | finished | in `Header::join` | empty | finished | finished, or cleared |
//! | joined | with the handle | empty | running | finished, then cleared |
//!
//! In every state but *waiting*, a wake-up only leaves a mark: in the owner slot or, if the task is polled on the thread that wakes
//! it, in the context of that thread. After *joined*, the task is free again, and so is a detached task that has finished; in a
//! simulation, a task to which a waker is left is dropped instead. A header without a `Runnable` is freed with the last reference to it.
//!
//! The files in reading order: `future`, `slot`, `join`, `alarm`, `header`, `runnable`, `waker`, `turns`, `kept_headers`,
//! `schedule`, `allocator`, `task_ref`.
//!
//! `runnable`, `kept_headers` and `schedule` form the only import cycle here: a `Runnable` has a scheduler, which queues a `Runnable`,
//! and parks it by means of the headers that a thread keeps. `header`, `slot` and `join` are generic over the type that owns a task,
//! which keeps them out of this cycle and lets the loom models of `slot` and `join` check the code that ships.

pub(crate) mod alarm;
pub(crate) mod allocator;
pub(crate) mod future;
pub(crate) mod header;
pub(crate) mod join;
pub(crate) mod kept_headers;
pub(crate) mod runnable;
pub(crate) mod schedule;
pub(crate) mod slot;
pub(crate) mod task_ref;
pub(crate) mod turns;
pub(crate) mod waker;
