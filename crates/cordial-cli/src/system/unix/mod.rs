//! Linux, macOS and other Unix systems.

mod advice;
#[cfg_attr(target_os = "linux", path = "linux_exit_watch.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_exit_watch.rs")]
mod exit_watch;
mod find_program;
mod group_table;
#[cfg_attr(target_os = "linux", path = "linux_guard.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_guard.rs")]
mod guard;
#[cfg_attr(target_os = "linux", path = "linux_pre_exec.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_pre_exec.rs")]
mod pre_exec;
mod process_group;
mod resources;
mod signals;
mod spawner;

pub(crate) use std::os::fd::AsFd as PipeEnd;

pub(crate) use advice::*;
pub(crate) use exit_watch::{be_deaf_to_ends, hear_ends};
pub(crate) use find_program::program;
pub(crate) use group_table::Groups;
pub(crate) use guard::{guard, start_guard};
pub(crate) use process_group::Group;
pub(crate) use resources::{free_memory, load, lower_priority, most_at_once};
pub(crate) use signals::{Interrupts, Suspensions};
pub(crate) use spawner::Starter;
