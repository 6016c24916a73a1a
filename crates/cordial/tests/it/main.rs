//! The library as its users see it: one file per behavior, through the public interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
mod harness;

mod abandoned;
mod await_many;
mod await_one;
mod blocking;
mod callers;
mod checkpoint;
mod completed;
mod crash_records;
mod destructors;
mod dropped_runtimes;
mod elixir_dynamic_supervisor;
mod exit_display;
mod exit_propagation;
mod faulty_user_code;
#[cfg(unix)]
mod fork;
mod handle;
#[cfg(target_os = "linux")]
mod idle;
mod ignore;
mod large_futures;
mod links;
mod long_chains;
mod long_polls;
mod main_and_run;
mod monitors;
mod or_exit;
mod otp_supervisor;
#[cfg(target_os = "linux")]
mod overload;
mod restartable_children;
mod runtimes;
mod shutdown;
mod shutdown_requests;
mod signals;
mod simulation;
mod snapshot_display;
mod spans;
mod stale_wakers;
mod start;
mod statistics;
mod stream;
mod stream_abandoned;
mod stream_bounds;
mod stream_cleanup;
mod stream_consumers;
mod stream_failures;
mod stream_limits;
mod stream_model;
mod stream_panics;
mod stream_sources;
mod stream_wakers;
mod stuck_io_threads;
mod supervised_streams;
mod supervisor_abandoned;
mod supervisor_backoff;
mod supervisor_events;
mod supervisor_ignore;
mod supervisor_intensity;
mod supervisor_owners;
mod supervisor_report;
mod supervisor_restart;
mod supervisor_run;
mod supervisor_seen_exits;
mod supervisor_settled;
mod supervisor_significant;
mod supervisor_start;
mod supervisor_stop;
#[cfg(target_os = "linux")]
mod system_limits;
mod task_supervisor;
mod tokio_interop;
mod trap_exits;
mod yield_many;
mod yield_one;
