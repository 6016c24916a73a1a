//! The library as its users meet it: one file for each behavior, through the public interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod abandoned;
mod await_many;
mod await_one;
mod blocking;
mod callers;
mod checkpoint;
mod completed;
mod crash_records;
mod destructors;
mod ends;
mod events;
mod exit_texts;
mod handle;
mod hostile;
#[cfg(target_os = "linux")]
mod idle;
mod ignore;
mod links;
#[cfg(target_os = "linux")]
mod load;
mod long_polls;
mod main_and_run;
mod monitors;
mod or_exit;
mod orders;
mod probe;
mod program;
mod records;
mod requests;
mod runtimes;
mod shutdown;
mod signals;
mod simulation;
mod snapshot_shown;
mod spans;
mod start;
mod statistics;
mod stream;
mod stream_bounds;
mod stream_ends;
mod stream_failures;
mod stream_hostile;
mod stream_model;
mod supervised_streams;
mod supervisor_abandoned;
mod supervisor_report;
mod supervisor_restart;
mod supervisor_run;
mod supervisor_shown;
mod supervisor_start;
mod supervisor_stop;
mod task_supervisor;
#[cfg(target_os = "linux")]
mod threads;
mod ties;
mod tokio_inside;
mod traps;
mod tree;
mod yield_many;
mod yield_one;
