//! Functions with names, and a pool of OS processes that run them. A call can be killed at any instruction, and can have limits.
//!
//! A closure cannot be sent to another OS process. So the functions that another process runs have names:
//!
//! - [`Function`]: a name with two types, a constant that callers and workers share.
//! - [`Functions`]: the table of the code behind the names.
//! - [`Pool`]: worker processes, which run calls as tasks. A program with a pool begins with [`main`] or [`init`], a test with [`test_main`].
//! - [`dispatch`]: how a call reaches its code, for crates that carry calls over other connections.
//!
//! The page `docs/isolated.md` of the repository says when to use a pool, what it costs, and how a call can end.

mod codec;
#[cfg_attr(target_os = "macos", path = "descendants/none.rs")]
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod descendants;
pub mod dispatch;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod frame;
mod function;
mod functions;
mod init;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod kernel;
mod pool;
mod unwind;
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "worker/none.rs")]
mod worker;

pub use function::{Function, Signature};
pub use functions::Functions;
pub use init::{carried, init, main, test_main};
pub use pool::{CallFuture, Pool, PoolBuilder, PoolError, PoolStatistics, WorkerActivity, WorkerInfo};

/// The programs in the pages, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../../docs/isolated.md")]
struct Pages;
