//! Servers: processes that hold state, and answer requests over time.
//!
//! "If it exists to do one thing and return a result, it is a task; if it manages state and answers requests over time, it is a
//! server."
//!
//! ```text
//!  call ──► mailbox ──► one message at a time ──► handle ──► the answer, to the caller
//!  cast ──►  (bounded, in order)                    │
//!                ▲                                  └ panic: the process ends, and the caller gets its exit
//!                └── messages stay here, until the supervisor has started the next process
//! ```
//!
//! | a message | what happens to it |
//! |---|---|
//! | that finds the mailbox full | its sender waits for room until its limit; [`try_cast`](ServerRef::try_cast) refuses |
//! | whose caller has given up | is skipped, and counted |
//! | that is being handled when the process crashes | is not handled again; the caller gets the exit of the process |
//! | that is being handled, or waits for the answer of a [`Later`], when the server ends without a crash | has no answer: the caller gets an [`Exit::Error`](crate::Exit::Error) that says so, since the message may have had effects |
//! | that waits when the process crashes | is handled by the next process, in order; if there is none, it is answered with the exit |
//! | that waits when the supervisor of the server is restarted by a supervisor above it | stays in the mailbox. It is handled if the restarted supervisor gets the server as a child again, from [`child_spec`](ServerRef::child_spec); otherwise it is answered once that supervisor has started |
//! | that waits when the server stops | a call is answered with [`Refusal::ServerStopped`](crate::Refusal::ServerStopped); a cast is dropped, which is the event `casts_dropped` |
//!
//! # Events
//!
//! The message that a server handles at the moment is *in hand*. A server emits the [events of every process](crate#events), such as
//! `crash` and `long_poll`, and its supervisor those of every child, such as `restart`, `give_up`, `slow_start` and `start_failed`.
//! These are its own:
//!
//! | event | level | emitted when | fields |
//! |---|---|---|---|
//! | `mailbox_full` | warn | a message waits for room; not again before the mailbox was half empty | pid, label, spawned_at, capacity, oldest_ms, in_hand, sender, message_type |
//! | `casts_dropped` | warn | the server has stopped, or has crashed and is not restarted, and messages that were cast to it were not handled; or it was never started, and its specification was dropped | pid, label, spawned_at, dropped |
//! | `call_cycle` | warn | a call has exceeded its limit, and the called server waits for the caller, directly or through other servers | pid, cycle |
//!
//! There is no pid while the server has not been started. The label is then the id of the child.
//!
//! [`MailboxInfo`](crate::process::MailboxInfo) has the length of the mailbox, the age of its oldest message, and how many messages
//! were handled and skipped. It is in [`process::info`](crate::process::info), in a [`Snapshot`](crate::Snapshot), and in
//! [`ServerRef::mailbox`].
//!
//! # Types
//!
//! [`Server`] is the state, [`Handle`] handles one type of message, and [`ServerRef`] sends messages.

// The modules, in the order in which they build on each other. Each imports only earlier ones, except that `envelope`, `context` and
// `shared` are a cycle: a message is handled with a `Context`, which has a handle to the server, whose mailbox holds messages.

mod factory_owner;
mod lanes;
mod requested;
mod room;
mod timers;
mod unanswered;

mod sending;

mod queue;

mod batch;

mod mailbox;

mod laters;
mod reply;

mod context;
mod envelope;
mod shared;

mod behavior;

mod cycle;
mod next_message;
mod polling;

mod message;

mod handling;

mod call_waker;

mod call_cell;

mod call_handling;

mod call;
mod cast;

mod run;

mod child;

mod builder;

mod handle;

pub use behavior::{ExitOf, Handle, Server};
pub use builder::ServerBuilder;
pub use call::Call;
pub use cast::{Cast, TryCastError};
pub use context::Context;
pub use reply::{Later, Reply};
pub use shared::ServerRef;
pub use timers::Timer;
