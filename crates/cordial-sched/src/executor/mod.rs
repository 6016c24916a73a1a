//! The handle on an executor: prepare and start tasks, read the time, close.
//!
//! | file | |
//! |---|---|
//! | `error`, `options` | plain data |
//! | `hook_calls` | the thread that calls the hooks that may be slow |
//! | `hooks` | what the layer above implements |
//! | `handle` | `Executor`, and what belongs to one executor |
//! | `io_threads` | tasks that are started or woken outside of the workers |
//! | `pool_threads` | connects the executor with its pool and with sysmon, which do not know the executor, and starts their threads |
//! | `timer_thread` | the thread on which timeouts elapse |
//! | `dropped_timers` | lets tokio forget dropped timers, so that they do not wake its threads |
//! | `start` | how an executor is made |
//! | `alarm` | one timeout for many waits of a task |
//! | `wait_timeout` | the limit of the wait for the output of one task |
//! | `timer`, `join_handle`, `prepare` | what the methods of an executor return |
//!
//! `hooks` and `handle` are a cycle of two files: an executor calls its hooks, and they get a handle on it.

pub(crate) mod alarm;
mod dropped_timers;
pub(crate) mod error;
pub(crate) mod handle;
mod hook_calls;
pub(crate) mod hooks;
mod io_threads;
pub(crate) mod join_handle;
pub(crate) mod options;
mod pool_threads;
pub(crate) mod prepare;
mod start;
pub(crate) mod timer;
mod timer_thread;
mod wait_timeout;
