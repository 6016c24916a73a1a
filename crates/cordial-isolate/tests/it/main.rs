//! The pool, with real worker processes: the binary of these tests is the worker.

mod bad_input;
mod calls;
mod descendants;
mod forked;
mod functions;
mod losses;
mod metrics;
mod mix;
mod out_of_memory;
mod output;
mod page;
mod parent;
mod processes;
mod recycling;
mod roles;
mod signals;
mod starts;
mod tasks;
mod travels;
mod waits;
mod wakers;
mod warm;
