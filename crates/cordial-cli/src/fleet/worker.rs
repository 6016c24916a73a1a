//! The subcommand `cordial worker`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cordial::{StartError, Strategy, Supervisor};
use cordial_isolate::Functions;

use super::command::COMMAND;
use super::connect::{connect, with_option_names};
use super::run_command::{Runner, run_command};
use crate::args::WorkerOptions;
use crate::blocking_io::print_message;
use crate::exit_reason::ExitReason;
use crate::system::{self, GroupTable};
use crate::text::io_error;

/// Serves commands until SIGTERM or Ctrl-C. A second signal kills the commands.
pub(crate) fn run(options: WorkerOptions) -> ExitCode {
    if !options.allow_commands {
        print_message(format_args!(
            "a worker runs every command that arrives: each user who may publish to the group {:?} can then do everything that your account can do; add --allow-commands to start it",
            options.group
        ));
        return ExitReason::Error.into();
    }
    system::keep_exit_statuses();
    system::survive_file_size_limit();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let run_name = format!("worker-{}-{}", std::process::id(), now.as_nanos());
    let (guard, groups) = match system::start_guard(&run_name) {
        Ok((pipe, guard)) => (Some(guard), GroupTable::new(Some(pipe))),
        // Without a guard, commands keep running if SIGKILL kills this process.
        Err(_) => (None, GroupTable::new(None)),
    };
    // Commands must not read the standard input of the worker.
    if let Err(error) = system::take_stdin() {
        print_message(format_args!("cannot close the standard input of commands: {}", io_error::describe(&error)));
        return ExitReason::Error.into();
    }
    system::block_sigchld();
    let ended = cordial::run(serve(options, groups.clone(), run_name));
    groups.kill_all();
    groups.dismiss_guard();
    if let Some(mut guard) = guard {
        // The guard exits because its pipe was just closed.
        let _ = guard.wait();
    }
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(message)) => {
            print_message(message);
            ExitReason::Error.into()
        }
        Err(exit) => {
            print_message(exit);
            ExitReason::Error.into()
        }
    }
}

async fn serve(options: WorkerOptions, groups: GroupTable, run_name: String) -> Result<(), String> {
    let cluster = connect(&options.nats, &options.server, options.name.as_deref()).await?;
    let reaped = groups.clone();
    cordial::Task::start(async move { system::reap_orphans(&reaped).await });
    let runner = Arc::new(Runner::new(cluster.clone(), groups, run_name));
    let functions = Functions::new().add_fallible(COMMAND, move |request| run_command(runner.clone(), request));
    let worker = cluster.worker(functions).group(&options.group).grace(options.grace);
    // The worker sets no limit of its own: `run_command` gives a cancelled command the grace period that the request of the command sets.
    let mut worker = worker.cancel_grace(Duration::MAX);
    if let Some(slots) = options.slots {
        worker = worker.slots(slots.into());
    }
    let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await;
    let tree = tree.map_err(|error| match &error {
        // The message leaves out the child, because the users of `cordial worker` do not know its supervision tree.
        StartError::Child { exit, .. } => with_option_names(exit),
        error => with_option_names(error),
    })?;
    print_message(format_args!(
        "the worker {} serves the group {:?}; each user who may publish there may run commands with the rights of your account",
        cluster.name(),
        options.group
    ));
    cordial::shutdown_requested().await;
    tree.stop().await;
    Ok(())
}
