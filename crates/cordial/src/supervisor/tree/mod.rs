//! Supervisors of few children that depend on each other: started in order, stopped in reverse, restarted by a strategy.
//!
//! ```text
//!  Supervisor ──calls──► the process of the supervisor ──starts, stops──► children
//!  (the handle)            │ one thing after the other, as Erlang's        │
//!     └─reads─► View ◄─────┴──────────────── ends ◄────────────────────────┘
//! ```
//!
//! What is only read is read from the view, and never waits. What changes something waits its turn behind a child that
//! takes long to start or to stop; a wait before a restart holds up nobody.

mod builder;
mod call;
mod child;
mod handle;
mod live;
mod serve;
mod start;
mod stop;
mod view;

pub use builder::{AutoShutdown, SupervisorBuilder};
pub use handle::Supervisor;
pub use view::{ChildInfo, ChildKind, ChildState, Counts};
