//! Supervisors of many tasks that do not depend on each other.
//!
//! ```text
//!  TaskSupervisor ─► TasksShared: the options, and the incarnation that runs
//!  (handle)            └► TaskChildren: the running children; each start goes here, not to the process of the supervisor
//!                           └► RestartableChildren: those with a specification, which may be started again
//!  the process of the supervisor: restarts children, and ends starts that take too long; when there is a reason to stop, stops
//!                                 all children at once
//! ```

mod builder;
mod child_limit;
mod children;
mod hand_over;
mod handle;
mod reservation;
mod restartable;
mod server;
mod shared;
mod start;
mod start_child;
mod start_restartable;
mod stop;
mod stream;
mod waiting_child;

pub use builder::TaskSupervisorBuilder;
pub use handle::TaskSupervisor;
pub use waiting_child::WaitingChild;

#[cfg(test)]
mod tests;
