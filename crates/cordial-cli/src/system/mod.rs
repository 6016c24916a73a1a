//! Everything that differs between operating systems: arguments, programs, process groups and their exits, pipes, standard
//! streams, the terminal, signals and resources.
//!
//! `unix/` and `windows.rs` export the same names, so that code outside this folder does not ask on which system it runs.

mod argument;
mod exit;
mod limit_change;
mod program;
mod screen_size;
mod spawn_config;
mod stop_signal;

#[cfg_attr(unix, path = "unix/mod.rs")]
#[cfg_attr(not(unix), path = "windows.rs")]
mod platform;

pub(crate) use argument::NotUnicode;
pub(crate) use exit::{Termination, WaitMode};
pub(crate) use limit_change::LimitChange;
pub(crate) use platform::{
    Descriptor, GroupTable, InputPipe, JobControl, KILLED, LimitSignals, MAX_ARGUMENT_BYTES, PipeEnd, ProcessGroup,
    ResumeSignals, Spawner, SplicedFile, StandardError, StandardInput, StandardOutput, StopSignals, argument_bytes,
    block_sigchld, capture_advice, check_room_for_thread, describe_exit, exit_status, free_memory,
    is_resource_shortage, load_average, lower_priority, max_concurrency, max_words_bytes, may_have_data,
    open_special_file, os_string, read_available, run_guard, share_stdin, start_advice, start_guard, take_stdin,
    termination, total_memory, try_lock, unblock_sigchld, wait_until_readable, wait_until_writable, was_killed,
};
// How commands are started, and the terminal.
pub(crate) use platform::{
    Terminal, TerminalStop, are_outputs_the_same, enlarge_pipe, exported_function_texts, exported_functions,
    find_program, has_address_space_limit, has_terminal, interrupt_this_program, is_command, is_in_background,
    is_stdout_pipe, keep_exit_statuses, login_directory, main_stack_bytes, reap_orphans, screen_size,
    survive_file_size_limit, suspend_this_job, wait_for_key, was_interrupted,
};
pub(crate) use program::Program;
pub(crate) use screen_size::is_stderr_screen;
pub(crate) use spawn_config::{CommandInput, CommandOutput, SpawnConfig};
pub(crate) use stop_signal::StopSignal;
