//! The configuration of a run: the options, checked against each other and against the machine. No command of an item is
//! started, and no file is written, before all checks have passed.

use std::sync::Arc;

use super::arguments::{self, Arguments};
use super::block_config::{block_options, block_syntax, check_without_pipe};
use super::command::GivenCommand;
use super::fleet;
use super::remote::remote;
use crate::args::{Concurrency, MapOptions};
use crate::input::{Origin, Source, Sources};
use crate::launch::{FleetFilesConfig, SlotLimit};
use crate::pipe::BlockOptions;
use crate::records::{Joblog, PastJoblog, PastRun, ResultsDirectory, Resume, RunRecords};
use crate::remote::RemoteCommands;
use crate::report::{Format, ProgressMode};
use crate::stop::halt::HaltPolicy;
use crate::system::{self, Program, Terminal};
use crate::template::CommandTemplate;
use crate::text::io_error;

/// How the outputs of commands are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputMode {
    /// The output of an item is printed as a whole after the item has finished.
    Grouped(Format),
    /// Each line is printed when it is written; with `is_ordered`, not before the turn of its item.
    LineBuffered { is_tagged: bool, is_ordered: bool },
    /// Commands write directly to the outputs of `cordial`.
    Ungrouped,
}

/// The input of the commands.
pub(super) enum Input {
    Items(Sources),
    /// With `--pipe`: where the input is, and how it is cut.
    Blocks(Origin, Box<BlockOptions>),
}

/// The records of a run. They are opened last, so that a run that cannot begin leaves no files; with a fleet, after the fleet has been reached.
pub(super) enum ConfigRecords {
    Open(Box<RunRecords>),
    /// Not opened yet. This is the command that the records will contain.
    Later(Box<CommandTemplate>),
}

impl ConfigRecords {
    /// Returns the records, opened.
    ///
    /// # Errors
    ///
    /// A message, when a file or a directory of the records cannot be used, or when options contradict each other.
    pub(super) fn open(self, options: &MapOptions) -> Result<RunRecords, String> {
        match self {
            ConfigRecords::Open(records) => Ok(*records),
            ConfigRecords::Later(template) => records(options, *template),
        }
    }
}

/// The checked options.
pub(super) struct Config {
    pub(super) input: Input,
    pub(super) template: CommandTemplate,
    pub(super) program: Program,
    /// The other machines, if commands run there.
    pub(super) remote: Option<RemoteCommands>,
    /// The terminal, if commands may use it.
    pub(super) terminal: Option<Arc<Terminal>>,
    /// Whether the items are read from the terminal.
    pub(super) items_are_typed: bool,
    /// The terminal at which to ask before each command, with `--interactive`.
    pub(super) asked_at: Option<Arc<Terminal>>,
    /// The command as it was typed.
    pub(super) typed: Arc<str>,
    pub(super) limit: SlotLimit,
    pub(super) output: OutputMode,
    pub(super) halt: HaltPolicy,
    pub(super) records: ConfigRecords,
    /// With a fleet: in which directory its commands run, and which files travel.
    pub(super) fleet_files: Option<FleetFilesConfig>,
    pub(super) options: MapOptions,
}

impl Config {
    /// Checks the options.
    ///
    /// # Errors
    ///
    /// A message that says what is wrong, and what to do.
    pub(super) fn new(mut options: MapOptions) -> Result<Config, String> {
        let Arguments { command, mut sources } = Arguments::new(&mut options)?;
        let command = GivenCommand::new(command, &options)?;
        if let Some(workdir) =
            options.workdir.as_ref().filter(|_| !options.remote.is_used() && options.fleet.nats.is_none())
            && !workdir.is_dir()
        {
            let shown = workdir.display();
            let advice = match shown.to_string().contains('{') {
                true => "it takes no placeholder: write cordial map 'cd {} && COMMAND'",
                false => "name an existing directory",
            };
            return Err(format!("--workdir {shown} is not a directory: {advice}"));
        }
        if options.items.header.is_some() {
            arguments::announce_terminal(&options, &sources);
        }
        let syntax = match options.pipe.is_on() {
            true => block_syntax(&options)?,
            false => arguments::syntax(&mut options.items, &mut sources)?,
        };
        let is_searched = options.dry_run || options.remote.is_used() || options.fleet.nats.is_some();
        let template = command.template(&syntax).map_err(|message| match command.program() {
            // The value of an option may have been taken for the program. `find_program` then advises to attach it.
            Some(name) if options.items.without_value().is_some() && !is_searched => {
                find_program(name, &options).err().unwrap_or(message)
            }
            _ => message,
        })?;
        fleet::check(&options, command.calls_function())?;
        let program = match template.program().filter(|_| !is_searched) {
            Some(name) => find_program(name, &options)?,
            None => Program::Searched,
        };
        check_machine(&options)?;
        // The limit is read only here, because the file of `-c` may be a pipe, which can be read only once.
        let n_at_once = options.concurrency.number(system::max_concurrency())?;
        if options.remote.is_used() && command.calls_function() {
            return Err(
                "the command is a function of bash, which other machines do not know: write it into a script, and send that with --transferfile".to_owned(),
            );
        }
        // How many items a command gets depends on the slots of the hosts, and on the length of the lines that they accept.
        let needs_hosts = !options.dry_run || arguments::may_group(&options.items);
        let remote = remote(&options, &syntax, needs_hosts)?;
        let items_are_typed = arguments::items_are_typed(&sources);
        let asked_at = match options.other.interactive && !options.dry_run {
            true => Some(Arc::new(terminal_to_ask(&sources)?)),
            false => None,
        };
        let n_slots = match &remote {
            Some(remote) => remote.slots,
            None if options.launch.tty => 1,
            None => n_at_once,
        };
        let (input, terminal) = if options.pipe.is_on() {
            let (origin, blocks) = block_options(&options, &template, sources, n_slots)?;
            (Input::Blocks(origin, Box::new(blocks)), None)
        } else {
            check_without_pipe(&options)?;
            let remote_size = remote.as_ref().and_then(|remote| remote.size(&template));
            let sources = arguments::sources(&options.items, sources, &template, n_slots, remote_size)?;
            let terminal = options.launch.tty.then(|| open_terminal(&options, &sources)).transpose()?;
            (Input::Items(sources), terminal.map(Arc::new))
        };
        let is_fleet = options.fleet.nats.is_some() && !options.dry_run;
        Ok(Config {
            fleet_files: if is_fleet { Some(fleet::files(&options, &syntax)?) } else { None },
            limit: match (&terminal, &remote) {
                _ if is_fleet => fleet::limit(&options.concurrency, n_at_once),
                (Some(_), _) => SlotLimit::new(1, 1),
                (None, Some(remote)) => SlotLimit::new(remote.slots, remote.slots),
                (None, None) => slot_limit(&options.concurrency, n_at_once),
            },
            remote,
            terminal,
            items_are_typed,
            asked_at,
            output: output_mode(&options),
            halt: match options.halt {
                _ if options.fail_fast => HaltPolicy::FAIL_FAST,
                policy => policy.unwrap_or(HaltPolicy::Never),
            },
            records: ConfigRecords::Later(Box::new(command.template(&syntax)?)),
            typed: command.typed().into(),
            template,
            input,
            program,
            options,
        })
    }

    /// Opens the records, unless a fleet has to be reached first.
    ///
    /// # Errors
    ///
    /// The errors of `ConfigRecords::open`.
    pub(super) fn open_records(mut self) -> Result<Config, String> {
        if self.fleet_files.is_none() {
            self.records = ConfigRecords::Open(Box::new(self.records.open(&self.options)?));
        }
        Ok(self)
    }

    /// Returns how progress is shown.
    pub(super) fn progress_mode(&self) -> ProgressMode {
        // A bar would be drawn over the questions, and over the items that are typed in.
        match self.options.quiet || self.asked_at.is_some() || self.items_are_typed {
            true => ProgressMode::Hidden,
            false => ProgressMode::choose(self.options.bar, self.output == OutputMode::Ungrouped),
        }
    }
}

/// Finds the program of the command.
fn find_program(name: &[u8], options: &MapOptions) -> Result<Program, String> {
    system::find_program(name, options.workdir.as_deref()).map_err(|message| match options.items.without_value() {
        Some((spellings, option)) => {
            let value = String::from_utf8_lossy(name);
            format!("{message}; if it is the value of {spellings}, attach it: {option}{value}")
        }
        None => message,
    })
}

/// Returns the number of commands that run at once, which begins as `initial`, with the maximum to which signals or the file of `-c` can raise
/// it.
fn slot_limit(concurrency: &Concurrency, initial: usize) -> SlotLimit {
    SlotLimit::new(initial, concurrency.max(initial).min(system::max_concurrency()))
}

/// Opens the terminal for the commands.
fn open_terminal(options: &MapOptions, sources: &Sources) -> Result<Terminal, String> {
    if options.concurrency.is_several() {
        return Err("--tty lets one command at a time use the terminal: leave -c out, or write -c 1".to_owned());
    }
    if arguments::items_are_typed(&sources.sources) {
        return Err("with --tty the commands read the terminal, so items cannot be read from it: write them after :::, or use -a FILE".to_owned());
    }
    let terminal = Terminal::open().map_err(|error| {
        format!("--tty needs a terminal, and there is none: /dev/tty: {}", io_error::describe(&error))
    })?;
    if !terminal.can_be_passed_on() {
        return Err("--tty cannot pass the terminal on, because this program was started from outside of its PID namespace: start it from an interactive shell inside, such as `bash -i`".to_owned());
    }
    Ok(terminal)
}

/// Opens the terminal for the questions of `--interactive`.
fn terminal_to_ask(sources: &[Source]) -> Result<Terminal, String> {
    if arguments::items_are_typed(sources) {
        return Err(
            "-p reads answers from the terminal, so items cannot be read from it: write them after :::, or use -a FILE"
                .to_owned(),
        );
    }
    Terminal::open().map_err(|error| {
        format!(
            "-p asks at the terminal, and there is none: /dev/tty: {}",
            io_error::describe_or(&error, "--dry-run prints the commands without running them")
        )
    })
}

fn output_mode(options: &MapOptions) -> OutputMode {
    match options {
        MapOptions { ungroup: true, .. } => OutputMode::Ungrouped,
        _ if options.launch.tty => OutputMode::Ungrouped,
        MapOptions { line_buffer: true, tag, keep_order, .. } => {
            OutputMode::LineBuffered { is_tagged: *tag, is_ordered: *keep_order }
        }
        MapOptions { json: true, .. } => OutputMode::Grouped(Format::Json),
        MapOptions { tag: true, .. } => OutputMode::Grouped(Format::Tagged),
        _ => OutputMode::Grouped(Format::Plain),
    }
}

/// Checks that the system reports the values on which options depend.
fn check_machine(options: &MapOptions) -> Result<(), String> {
    let unavailable = |option: &str, error| {
        format!("{option} needs a value that the system does not report: {}", io_error::describe(&error))
    };
    if options.load.is_some() {
        system::load_average().map_err(|error| unavailable("--load", error))?;
    }
    if let Some(size) = options.memfree {
        system::free_memory().map_err(|error| unavailable("--memfree", error))?;
        let memory = system::total_memory().map_err(|error| unavailable("--memfree", error))?;
        if size > memory {
            let (size, memory) = (size >> 20, memory >> 20);
            return Err(format!(
                "--memfree asks for {size} MiB of free memory, but the machine has {memory} MiB: no command would ever start"
            ));
        }
    }
    Ok(())
}

fn records(options: &MapOptions, template: CommandTemplate) -> Result<RunRecords, String> {
    let resume = match (options.resume, options.resume_failed) {
        (_, true) => Resume::UnfinishedAndFailed,
        (true, false) => Resume::Unfinished,
        (false, false) => Resume::No,
    };
    if resume != Resume::No && options.joblog.is_none() && options.results.is_none() {
        let option = if options.resume_failed { "--resume-failed" } else { "--resume" };
        return Err(format!("{option} needs the records of the earlier run: add --joblog FILE or --results DIR"));
    }
    let read_results = || match &options.results {
        Some(path) if resume != Resume::No => ResultsDirectory::read(path),
        _ => Ok(PastRun::default()),
    };
    if options.dry_run {
        let check = if resume == Resume::No { ResultsDirectory::check_new } else { ResultsDirectory::check_name };
        options.results.as_deref().map_or(Ok(()), check)?;
        let past = match &options.joblog {
            Some(path) if resume == Resume::No => Joblog::check_new(path).map(|()| PastJoblog::default())?,
            Some(path) => {
                // What the run would refuse is refused.
                read_results()?;
                Joblog::check_resumable(path)?;
                Joblog::read(path, &template)?
            }
            None => PastJoblog { run: read_results()?, is_cut: false },
        };
        return Ok(RunRecords::new(template, resume, past, None, None));
    }
    let results = match &options.results {
        Some(path) if resume == Resume::No => Some(ResultsDirectory::create(path)?),
        Some(path) => Some(ResultsDirectory::resume(path)?),
        None => None,
    };
    let open_joblog = || -> Result<_, String> {
        // The results are read before the joblog is created, because they may be refused.
        let earlier = read_results()?;
        let Some(path) = &options.joblog else { return Ok((None, PastJoblog { run: earlier, is_cut: false })) };
        let (joblog, mut past) = Joblog::open(path, resume, &template)?;
        past.run.occupy(&earlier);
        Ok((Some(joblog), past))
    };
    match open_joblog() {
        Ok((joblog, past)) => Ok(RunRecords::new(template, resume, past, joblog, results)),
        Err(message) => {
            if let Some(results) = results {
                results.remove_if_new();
            }
            Err(message)
        }
    }
}
