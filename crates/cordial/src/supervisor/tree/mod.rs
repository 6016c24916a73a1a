//! Supervisors of a few children that depend on each other: started in order, restarted by a strategy, stopped in
//! reverse.
//!
//! ```text
//!  Supervisor ──── calls ────► process of the supervisor ── starts, stops ──► children
//!  (handle)                      │ one thing at a time, as in Erlang             │
//!     └── reads ─► ChildInfos ◄──┴──────────────── exits ◄───────────────────────┘
//! ```
//!
//! A handle reads the state of the children without a call. If a restart without a delay is due, it first waits for that restart, for at
//! most 10 ms. A call that changes something is handled after the exits that its caller has seen, and after the first attempts of their
//! restarts. While a child is being stopped, all calls wait. While a child starts:
//!
//! - A call that starts another child waits. If it comes from the process that is starting, or from one that is starting below that
//!   process, it is refused.
//! - A call that terminates or deletes a child waits only for an earlier call about the same child; `delete_child` also waits until an
//!   exit of that child is handled.
//!
//! No call waits for the delay before a restart, or for a nested supervisor that cannot start one of its children yet.

mod builder;
mod call;
mod child;
mod child_infos;
mod children;
mod delayed_outcome;
mod delayed_starts;
mod exits;
mod first_start;
mod handle;
mod handle_call;
mod inbox;
mod info;
mod restarts;
mod server;
mod shared;
mod start;
mod start_child;
mod state;
mod stop;

pub use builder::{AutoShutdown, SupervisorBuilder};
pub use handle::Supervisor;
pub use info::{ChildInfo, ChildKind, ChildState};

#[cfg(test)]
mod tests;
