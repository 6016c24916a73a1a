//! A pool of worker processes.
//!
//! ```text
//!  Pool ─ call ─► a process of cordial ─ frame ─► worker process ─ Done ─► thread of the pool ─ reply ─► that process ─► Task
//!                       │ killed: the drop of its future sends SIGKILL to the group of the worker
//! ```
//!
//! - `config`, `builder`: the options. `error`: why a pool does not start, or takes no calls. `clock`: real time.
//! - `shared`: the queue and the states of the workers, behind one lock. `call`: what the pool knows of one call. `run_call`: the process
//!   that submits a call and waits for its reply.
//! - `driver`: the thread of the pool. `process`: one worker process. `os_process`: its number and its descriptor. `output`: what it writes. `cause`: why it is gone. `oom_kills`: what the system has killed for lack of memory.
//! - `start`: the start of a pool. `handle`: what users hold. `statistics` and `read_statistics`, `metrics`, `events`: what they see.
//!
//! On systems without worker processes, the files of `none` replace `shared`, `read_statistics`, `run_call` and `start`, and no pool starts.

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod clock;
mod config;
mod error;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod oom_kills;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod output;
mod statistics;

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod call;
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "none/shared.rs")]
mod shared;

#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "none/read_statistics.rs")]
mod read_statistics;
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "none/run_call.rs")]
mod run_call;

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod cause;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod events;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod os_process;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod process;

mod metrics;

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod driver;
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "none/start.rs")]
mod start;

mod builder;
mod handle;

pub use builder::PoolBuilder;
pub use error::PoolError;
pub use handle::{CallFuture, Pool};
pub use statistics::{PoolStatistics, WorkerActivity, WorkerInfo};
