//! Linux, macOS and other Unix systems. A file named `linux_*.rs` is compiled only on Linux. On other systems, a file named `other_*.rs`
//! or `no_spliced_file.rs` replaces it.

mod advice;
mod argument;
mod exit;
mod file_lock;
mod find_program;
mod input_pipe;
mod named_pipe;
mod pipe;
mod resources;

#[cfg_attr(target_os = "linux", path = "linux_exit_watch.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_exit_watch.rs")]
mod exit_watch;
mod group_table;
#[cfg_attr(target_os = "linux", path = "linux_guard.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_guard.rs")]
mod guard;
#[cfg_attr(target_os = "linux", path = "linux_job.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_job.rs")]
mod job;
#[cfg_attr(target_os = "linux", path = "linux_orphans.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_orphans.rs")]
mod orphans;
#[cfg_attr(target_os = "linux", path = "linux_pre_exec.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other_pre_exec.rs")]
mod pre_exec;
mod process_group;
#[cfg(target_os = "linux")]
#[path = "linux_processes.rs"]
mod processes;
mod signals;
mod spawner;
#[cfg_attr(target_os = "linux", path = "linux_spliced_file.rs")]
#[cfg_attr(not(target_os = "linux"), path = "../no_spliced_file.rs")]
mod spliced_file;
mod std_streams;
mod terminal;

pub(crate) use advice::{capture_advice, is_resource_shortage, start_advice};
pub(crate) use argument::{MAX_ARGUMENT_BYTES, argument_bytes, os_string};
pub(crate) use exit::{KILLED, describe_exit, exit_status, termination, was_interrupted, was_killed};
pub(crate) use exit_watch::{block_sigchld, unblock_sigchld};
pub(crate) use file_lock::try_lock;
pub(crate) use find_program::{exported_function_texts, exported_functions, find_program, is_command};
pub(crate) use group_table::GroupTable;
pub(crate) use guard::{run_guard, start_guard};
pub(crate) use input_pipe::{InputPipe, enlarge_pipe};
pub(crate) use named_pipe::open_special_file;
pub(crate) use orphans::reap_orphans;
pub(crate) use pipe::{PipeEnd, may_have_data, read_available};
pub(crate) use process_group::ProcessGroup;
pub(crate) use resources::{
    check_room_for_thread, free_memory, has_address_space_limit, load_average, login_directory, lower_priority,
    main_stack_bytes, max_concurrency, max_words_bytes, total_memory,
};
pub(crate) use signals::{
    JobControl, LimitSignals, ResumeSignals, StopSignals, interrupt_this_program, keep_exit_statuses,
    survive_file_size_limit, suspend_this_job,
};
pub(crate) use spawner::Spawner;
pub(crate) use spliced_file::SplicedFile;
pub(crate) use std_streams::{
    Descriptor, StandardError, StandardInput, StandardOutput, are_outputs_the_same, is_stdout_pipe, screen_size,
    share_stdin, take_stdin, wait_for_key, wait_until_readable, wait_until_writable,
};
pub(crate) use terminal::{Terminal, TerminalStop, has_terminal, is_in_background};
