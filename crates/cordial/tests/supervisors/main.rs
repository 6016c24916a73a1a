//! Supervisors and task supervisors as their users see them: one file per behavior, through the public interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod abandoned;
mod backoff;
mod destructors;
mod elixir_dynamic_supervisor;
mod events;
mod first_start;
mod ignore;
mod intensity;
mod otp_supervisor;
mod owners;
mod report;
mod restart;
mod restartable_children;
mod run;
mod seen_exits;
mod settled;
mod significant;
mod start;
mod start_timeout;
mod stop;
mod task_supervisor;
