//! Runs one command on a fleet, and fetches its outputs.

use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cordial_nats::Job;
use tokio::time::{Instant, timeout};

use super::fleet_files::FleetFiles;
use super::fleet_output::FleetOutput;
use super::item_variables::{item_variables, mentions_parallel_names};
use super::request::{FleetLaunch, LaunchConfig, OutputTarget};
use crate::fleet::{
    COMMAND, CommandEnd, CommandReply, CommandRequest, Fleet, Output, until_answered, with_option_names,
};
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::stop::token::StopLevel;
use crate::system::{self, Termination};
use crate::template::CommandLine;

/// The largest number of starts of a job. A job is started again if its machine is lost, or the worker fails to run it.
const MAX_ATTEMPTS: u32 = 20;

/// How long a stopped item waits for the server to confirm its job. A job without a confirmation cannot be cancelled.
const LAST_SUBMIT_LIMIT: Duration = Duration::from_secs(1);

/// Sends the files of an item, and runs its command once. Cancels the job when `cancelled` resolves, and when the run is stopped.
pub(super) async fn run(
    config: &LaunchConfig,
    launch: &FleetLaunch,
    item: &Arc<Item>,
    attempt: u32,
    slot: usize,
    cancelled: impl Future<Output = ()>,
) -> Outcome {
    let without_process = |failure| Outcome::without_process(Arc::clone(item), attempt, slot, failure, &config.budget);
    let FleetLaunch { fleet, files } = launch;
    let mut request = match request(config, files, item, attempt, slot) {
        Ok(request) => request,
        Err(failure) => return without_process(failure),
    };
    let mut stopped = pin!(wait_stopped(config, cancelled));
    let sent = tokio::select! {
        sent = files.send(fleet, item, attempt, slot) => sent,
        failure = &mut stopped => return without_process(failure),
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(failure) => return without_process(failure),
    };
    request.files = sent.clone();
    let outcome = run_sent(config, launch, item, attempt, slot, request, stopped).await;
    if let Some(sent) = sent {
        files.delete_sent(fleet, &sent).await;
    }
    outcome
}

async fn run_sent(
    config: &LaunchConfig,
    launch: &FleetLaunch,
    item: &Arc<Item>,
    attempt: u32,
    slot: usize,
    request: CommandRequest,
    mut stopped: Pin<&mut impl Future<Output = ItemFailure>>,
) -> Outcome {
    let without_process = |failure| Outcome::without_process(Arc::clone(item), attempt, slot, failure, &config.budget);
    let fleet = &launch.fleet;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let mut submit = pin!(until_answered(|| {
        let submit = fleet.cluster.submit(COMMAND, request.clone()).group(fleet.group.clone());
        submit.attempts(MAX_ATTEMPTS).timeout(Duration::MAX).into_future()
    }));
    let job = tokio::select! {
        job = &mut submit => job,
        failure = &mut stopped => {
            // The server may have stored the job, which must not run.
            if let Ok(Ok(job)) = timeout(LAST_SUBMIT_LIMIT, submit).await {
                let _ = job.cancel().await;
            }
            return without_process(failure);
        }
    };
    let job = match job {
        Ok(job) => job,
        Err(error) => return without_process(ItemFailure::NoResult(with_option_names(&error))),
    };
    let id = job.id().clone();
    let mut output = FleetOutput::new(config, fleet, id.clone(), item);
    let reply = tokio::select! {
        // A reply that has arrived counts even if the run is stopped at the same moment.
        biased;
        reply = wait_reply(config, fleet, job, &mut output) => reply,
        failure = &mut stopped => {
            let _ = fleet.cluster.cancel(&id).await;
            return without_process(failure);
        }
    };
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(why) => return without_process(ItemFailure::NoResult(why)),
    };
    // The command has ended. An item without an outcome would run again in a resumed run, so when the run is stopped, outputs and files
    // are fetched for the grace period.
    let given_up = async {
        let failure = stopped.await;
        if config.stop.level() >= StopLevel::Terminate {
            let _ = timeout(config.grace, config.stop.wait_for(StopLevel::Kill)).await;
        }
        failure
    };
    let result = tokio::select! {
        biased;
        result = fetch(launch, item, slot, &mut reply, &mut output) => result,
        failure = given_up => return without_process(failure),
    };
    let CommandReply { node, ended, duration, .. } = reply;
    let result = result.and_then(|()| match ended {
        CommandEnd::Exited(0) => Ok(()),
        CommandEnd::Exited(code) => Err(ItemFailure::Unsuccessful(system::exit_status(Termination::Exited(code)))),
        CommandEnd::Signaled(signal) => {
            Err(ItemFailure::Unsuccessful(system::exit_status(Termination::Signaled(signal))))
        }
        CommandEnd::TimedOut => Err(ItemFailure::TimedOut(config.timeout.unwrap_or_default())),
        CommandEnd::NotSent(reason) => Err(ItemFailure::NoResult(reason)),
        CommandEnd::NotStarted { reason, is_missing } => {
            let kind = if is_missing { ErrorKind::NotFound } else { ErrorKind::Other };
            Err(ItemFailure::NotStarted { error: io::Error::new(kind, reason), advice: None })
        }
    });
    if result.as_ref().is_err_and(|failure| config.may_run_again(attempt, failure)) {
        output.end_lines().await;
    }
    let received = output.received();
    let [stdout, stderr] = output.into_captures(&config.budget);
    Outcome {
        item: Arc::clone(item),
        result,
        stdout,
        stderr,
        received,
        attempts: attempt,
        // Measured by the clock of this machine, because the clock of the worker may be wrong. The time is late by as long as the files and the
        // outputs of the command took to be returned.
        started: Some(started + clock.elapsed().saturating_sub(duration)),
        duration,
        slot,
        host: Some(node.into()),
        typed: (!config.typed.is_empty()).then(|| Arc::clone(&config.typed)),
        is_recorded: false,
    }
}

/// Waits for the reply. With `--line-buffer`, lines are printed meanwhile.
///
/// # Errors
///
/// A message, when the job has ended without a reply.
async fn wait_reply(
    config: &LaunchConfig,
    fleet: &Fleet,
    job: Job<CommandReply>,
    output: &mut FleetOutput<'_>,
) -> Result<CommandReply, String> {
    let mut watch = match &config.output {
        OutputTarget::Lines(_) => fleet.cluster.watch_pieces(job.id()).await.ok(),
        OutputTarget::Capture | OutputTarget::Inherit => None,
    };
    let _sent = fleet.sent.add();
    let mut result = pin!(job.result());
    loop {
        let piece = async {
            match &mut watch {
                Some(watch) => watch.next().await,
                None => std::future::pending().await,
            }
        };
        let piece = tokio::select! {
            biased;
            piece = piece => piece,
            reply = &mut result => return reply.map_err(|exit| exit.to_string()),
        };
        match piece {
            Some(piece) if output.add(&piece).await.is_ok() => {}
            // The pieces that are missing are fetched after the reply.
            Some(_) | None => watch = None,
        }
    }
}

/// Fetches the outputs and the files of a command after its reply.
///
/// # Errors
///
/// When an output or a file cannot be fetched.
async fn fetch(
    FleetLaunch { fleet, files }: &FleetLaunch,
    item: &Item,
    slot: usize,
    reply: &mut CommandReply,
    output: &mut FleetOutput<'_>,
) -> Result<(), ItemFailure> {
    let empty = || Output::Whole(Vec::new());
    let outputs = [&mut reply.stdout, &mut reply.stderr].map(|output| std::mem::replace(output, empty()));
    let taken = output.finish(reply.run, outputs).await.map_err(ItemFailure::NoResult);
    let fetched = files.fetch(fleet, item, slot, reply).await;
    taken.and(fetched)
}

/// Waits until `cancelled` resolves or the run is stopped, and returns the failure of the item.
async fn wait_stopped(config: &LaunchConfig, cancelled: impl Future<Output = ()>) -> ItemFailure {
    tokio::select! {
        () = cancelled => ItemFailure::Stopped,
        () = config.stop.wait_for(StopLevel::Terminate) => match config.stop.level() {
            StopLevel::Kill => ItemFailure::Killed,
            _ => ItemFailure::Stopped,
        },
    }
}

fn request(
    config: &LaunchConfig,
    files: &FleetFiles,
    item: &Item,
    attempt: u32,
    slot: usize,
) -> Result<CommandRequest, ItemFailure> {
    let CommandLine { words, environment } = config.template.fill(item, slot)?;
    let bytes = |text| system::argument_bytes(text).map_err(ItemFailure::NoResult);
    let words = words.into_iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
    let (workdir, copied) = files.place(item);
    let mut variables = copied.to_vec();
    for (name, value) in environment {
        variables.push((name.into_owned(), bytes(value)?));
    }
    let mentions_names = words.iter().any(|word| mentions_parallel_names(word));
    let of_item = item_variables(config, item, attempt, slot, mentions_names);
    variables.extend(of_item.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())));
    Ok(CommandRequest {
        words,
        variables,
        workdir,
        files: None,
        timeout: config.timeout,
        grace: config.grace,
        is_watched: matches!(config.output, OutputTarget::Lines(_)),
    })
}
