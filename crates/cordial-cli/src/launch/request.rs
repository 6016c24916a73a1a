//! A request to run a command, and the settings that all commands have in common.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::fleet_files::FleetFiles;
use super::slot_limit::SlotLimit;
use super::throttle::Throttle;
use crate::fleet::Fleet;
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::{Budget, LineBatch, LineChannel};
use crate::records::RunRecords;
use crate::remote::RemoteCommands;
use crate::stop::halt::HaltCounter;
use crate::stop::token::StopToken;
use crate::system::{GroupTable, Spawner};
use crate::template::CommandTemplate;

/// Settings that are the same for all commands of a run.
pub(crate) struct LaunchConfig {
    pub(crate) template: CommandTemplate,
    /// The command as it was typed. Empty if each item is a command.
    pub(crate) typed: Arc<str>,
    /// Whether each command is printed before it starts.
    pub(crate) is_verbose: bool,
    /// The name of the environment variable that holds the number of the slot, counted from 0.
    pub(crate) slot_variable: Option<String>,
    /// Whether commands get the variables of GNU parallel, because a function that bash has exported mentions one of them.
    pub(crate) functions_mention_parallel_names: bool,
    pub(crate) spawner: Spawner,
    /// The other machines, if commands run there.
    pub(crate) remote: Option<RemoteLaunch>,
    /// The fleet, if commands run there.
    pub(crate) fleet: Option<FleetLaunch>,
    pub(crate) output: OutputTarget,
    pub(crate) limit: SlotLimit,
    pub(crate) timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL. If it is zero, SIGKILL is sent at once.
    pub(crate) grace: Duration,
    /// The largest number of attempts of an item.
    pub(crate) max_attempts: u32,
    pub(crate) throttle: Throttle,
    pub(crate) terminal_stops: TerminalStops,
    pub(crate) groups: GroupTable,
    pub(crate) budget: Budget,
    pub(crate) stop: StopToken,
    pub(crate) halt: Arc<HaltCounter>,
    pub(crate) records: Arc<RunRecords>,
}

/// Whether the run detects that the terminal has stopped a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalStops {
    Watched,
    /// There is no terminal, or the command has to end anyway.
    Ignored,
}

/// Where the outputs of commands go.
pub(crate) enum OutputTarget {
    /// Into captures, which are printed after the item is finished.
    Capture,
    /// To the printer, line by line.
    Lines(LineChannel),
    /// Directly to the outputs of `cordial`.
    Inherit,
}

/// Other machines, and how to start commands on them.
pub(crate) struct RemoteLaunch {
    pub(crate) remote: RemoteCommands,
    /// Starts the local commands that connect.
    pub(crate) spawner: Spawner,
    /// For messages about machines that have failed.
    pub(crate) messages: mpsc::Sender<LineBatch>,
}

/// A fleet, and the files that its commands need.
pub(crate) struct FleetLaunch {
    pub(crate) fleet: Fleet,
    pub(crate) files: Arc<FleetFiles>,
}

/// A request to run the command of an item once.
pub(super) struct Request {
    pub(super) item: Arc<Item>,
    /// Counted from 1.
    pub(super) attempt: u32,
    /// How often the connection for this attempt has failed.
    pub(super) connection_failures: u32,
    pub(super) reply: oneshot::Sender<Outcome>,
    /// Whether the request was served before and put back. With `is_verbose`, its command was then printed already.
    pub(super) is_shown: bool,
}

impl LaunchConfig {
    /// Returns whether the command of an item may run again after this failure of an attempt.
    pub(super) fn may_run_again(&self, attempt: u32, failure: &ItemFailure) -> bool {
        !failure.is_unfinished()
            && (attempt < self.max_attempts || matches!(failure, ItemFailure::ConnectionFailed { .. }))
    }
}

#[cfg(test)]
impl LaunchConfig {
    /// Returns the settings of a run without options, whose command has these words.
    pub(crate) fn of_words(words: &[&str]) -> LaunchConfig {
        use crate::records::{PastJoblog, Resume};
        use crate::stop::halt::HaltPolicy;
        use crate::system::{CommandInput, CommandOutput, Program, SpawnConfig};
        use crate::template::Syntax;

        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let template = || CommandTemplate::words(&words, &Syntax::default()).unwrap();
        let spawn_config = SpawnConfig {
            program: Program::Searched,
            workdir: None,
            output: CommandOutput::Piped,
            input: CommandInput::Inherited,
            run_name: "test".to_owned(),
        };
        LaunchConfig {
            template: template(),
            typed: Arc::default(),
            is_verbose: false,
            slot_variable: None,
            functions_mention_parallel_names: false,
            spawner: Spawner::new(spawn_config, None),
            remote: None,
            fleet: None,
            output: OutputTarget::Capture,
            limit: SlotLimit::new(1, 1),
            timeout: None,
            grace: Duration::from_secs(5),
            max_attempts: 1,
            throttle: Throttle::default(),
            terminal_stops: TerminalStops::Ignored,
            groups: GroupTable::default(),
            budget: Budget::default(),
            stop: StopToken::new(),
            halt: Arc::new(HaltCounter::new(HaltPolicy::Never, 0)),
            records: Arc::new(RunRecords::new(template(), Resume::No, PastJoblog::default(), None, None)),
        }
    }
}
