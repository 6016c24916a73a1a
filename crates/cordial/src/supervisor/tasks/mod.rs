//! Supervisors of tasks: many children, none of which depends on another.
//!
//! ```text
//!  TaskSupervisor ──► Live: the options, and the incarnation that runs now
//!   (the handle)        └► Roster: who runs; the door that each start passes, with no message to the process
//!                            └► Kept: those that may be started again
//!  its process: watches for restarts and for reasons to end; when there is one, ends all children at once
//! ```

mod builder;
mod handle;
mod kept;
mod live;
mod room;
mod roster;
mod serve;
mod stop;
mod stream;

pub use builder::TaskSupervisorBuilder;
pub use handle::TaskSupervisor;
