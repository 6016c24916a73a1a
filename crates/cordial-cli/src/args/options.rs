//! The definitions of commands and options. Their doc comments are the help text.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};

use super::attached;
use super::concurrency::Concurrency;
use super::fleet_options::{FleetOptions, WorkerOptions};
use super::help;
use super::item_options::ItemOptions;
use super::launch_options::{LaunchOptions, RUNNING};
use super::other_options::{self, OtherOptions};
use super::pipe_options::PipeOptions;
use super::remote_options::RemoteOptions;
use super::top_options::TopOptions;
use super::values;
use crate::blocking_io::{print_message, print_text, write_all};
use crate::exit_reason::ExitReason;
use crate::stop::halt::HaltPolicy;
use crate::system::StandardError;

/// Run commands in parallel, with limits, and see every failure.
#[derive(Debug, Parser)]
#[command(name = "cordial", version, arg_required_else_help = true, max_term_width = MAX_WIDTH)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[command(version)]
    Map(Box<MapOptions>),
    #[command(version)]
    Worker(WorkerOptions),
    #[command(version)]
    Top(TopOptions),
    /// Print completions for a shell
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page of `cordial map`, for `man -l -`
    Manual,
    /// Kill the running commands when the program that started this process is killed
    #[command(hide = true)]
    Guard,
}

/// Run a command for every item of a list, several at once, and print what they write in the order of the list.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "... | cordial map [OPTIONS] COMMAND [ARGUMENT]...\n       cordial map [OPTIONS] COMMAND [ARGUMENT]... ::: ITEM...",
    after_help = help::AFTER_OPTIONS,
    // A shell alias may contain an option that the user gives again.
    args_override_self = true
)]
pub(crate) struct MapOptions {
    #[command(flatten)]
    pub(crate) items: ItemOptions,

    /// Run COMMAND as a line of sh, with {} or "$1" for the item
    #[arg(long, help_heading = ITEMS)]
    pub(crate) shell: bool,

    /// Run N commands at once; 0: as many as possible; also N%, +N, -N, FILE [default: cores]
    #[arg(short = 'c', long, visible_short_aliases = ['j', 'P'], aliases = ["jobs", "max-procs", "maxprocs", "max-concurrency"], value_name = "N", help_heading = RUNNING, value_parser = Concurrency::parse, default_value = "100%", hide_default_value = true, allow_negative_numbers = true)]
    pub(crate) concurrency: Concurrency,

    /// Run the commands in DIR
    #[arg(long, visible_alias = "wd", alias = "work-dir", value_name = "DIR", help_heading = RUNNING)]
    pub(crate) workdir: Option<PathBuf>,

    /// Wait TIME between two starts
    #[arg(long, value_name = "TIME", help_heading = RUNNING, value_parser = values::duration, hide = true)]
    pub(crate) delay: Option<Duration>,

    /// Lower the priority by N (1 to 19)
    #[arg(long, value_name = "N", help_heading = RUNNING, value_parser = values::nice, hide = true)]
    pub(crate) nice: Option<i32>,

    /// Start no command while the load average is above N
    #[arg(long, value_name = "N", help_heading = RUNNING, value_parser = values::load, hide = true)]
    pub(crate) load: Option<f64>,

    /// Start no command while free memory is below SIZE, such as 2G
    #[arg(long, value_name = "SIZE", help_heading = RUNNING, value_parser = values::size, hide = true)]
    pub(crate) memfree: Option<u64>,

    /// Print in the order of the items (default, except with --line-buffer)
    #[arg(short = 'k', long, alias = "keeporder", help_heading = OUTPUT, overrides_with = "unordered")]
    pub(crate) keep_order: bool,

    /// Print the output of each item when the item finishes
    #[arg(long, aliases = ["no-keep-order", "nokeeporder", "nok", "no-k"], help_heading = OUTPUT, overrides_with = "keep_order")]
    pub(crate) unordered: bool,

    /// Print each line when it is written
    #[arg(long, visible_alias = "lb", aliases = ["line-buffered", "linebuffer", "linebuffered"], help_heading = OUTPUT, overrides_with = "ungroup")]
    pub(crate) line_buffer: bool,

    /// Let the commands write directly, without buffering
    #[arg(short = 'u', long, help_heading = OUTPUT, conflicts_with_all = ["tag", "results"], overrides_with = "line_buffer")]
    pub(crate) ungroup: bool,

    /// Begin each line with its item and a tab
    #[arg(long, help_heading = OUTPUT, conflicts_with = "json")]
    pub(crate) tag: bool,

    /// Also write DIR/<index>/stdout, stderr and status
    #[arg(long, aliases = ["result", "res"], value_name = "DIR", help_heading = OUTPUT, conflicts_with = "line_buffer")]
    pub(crate) results: Option<PathBuf>,

    /// Print a JSON object per item: index, item, status, seconds, ...
    #[arg(long, help_heading = OUTPUT, conflicts_with_all = ["line_buffer", "ungroup"])]
    pub(crate) json: bool,

    /// Stop everything when the first item fails; exit with its status
    #[arg(long, help_heading = FAILURE, conflicts_with = "halt")]
    pub(crate) fail_fast: bool,

    /// After N or N% failed items (also success=N, done=N): start no more, or stop all
    #[arg(long, aliases = ["halt-on-error", "haltonerror"], value_name = "soon|now,fail=N[%]", help_heading = FAILURE, value_parser = values::halt, allow_negative_numbers = true)]
    pub(crate) halt: Option<HaltPolicy>,

    /// Retry a failed item up to N times; print only the last attempt
    #[arg(long, value_name = "N", help_heading = FAILURE, value_parser = values::number::<u32>, default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,

    /// Stop an attempt after TIME: 500ms, 30s, 1h30m, 10 (seconds)
    #[arg(long, value_name = "TIME", help_heading = FAILURE, value_parser = values::timeout)]
    pub(crate) timeout: Option<Duration>,

    /// Time from SIGTERM to SIGKILL when stopping [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = FAILURE, value_parser = values::duration, default_value = "5s", hide_default_value = true)]
    pub(crate) grace: Duration,

    /// Write a line per finished item, as GNU parallel does
    #[arg(long, alias = "jl", value_name = "FILE", help_heading = LONG)]
    pub(crate) joblog: Option<PathBuf>,

    /// Skip items that --joblog or --results has recorded
    #[arg(long, help_heading = LONG)]
    pub(crate) resume: bool,

    /// Like --resume, but run failed items again
    #[arg(long, alias = "resumefailed", help_heading = LONG)]
    pub(crate) resume_failed: bool,

    /// Print the commands without running them
    #[arg(long, aliases = ["dryrun", "dr"], help_heading = LONG, conflicts_with = "json")]
    pub(crate) dry_run: bool,

    /// Show the run in a browser, at an address such as 127.0.0.1:4000
    #[arg(long, value_name = "ADDRESS", help_heading = LONG)]
    pub(crate) observe: Option<String>,

    /// Print neither progress nor failures
    #[arg(long, help_heading = LONG)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) launch: LaunchOptions,

    #[command(flatten)]
    pub(crate) remote: RemoteOptions,

    #[command(flatten)]
    pub(crate) fleet: FleetOptions,

    /// Show the progress bar even if standard output is a pipe
    #[arg(long, aliases = ["eta", "progress"], help_heading = OUTPUT, conflicts_with = "quiet", hide = true)]
    pub(crate) bar: bool,

    #[command(flatten)]
    pub(crate) pipe: PipeOptions,

    #[command(flatten)]
    pub(crate) other: OtherOptions,

    /// The command and its arguments, then ::: and the items
    #[arg(trailing_var_arg = true, value_name = "COMMAND", hide = true)]
    pub(crate) command: Vec<OsString>,
}

/// The longest line of the help, in characters.
const MAX_WIDTH: usize = 100;

const ITEMS: &str = "Items";
const OUTPUT: &str = "Output";
const FAILURE: &str = "Failure";
const LONG: &str = "Long runs";

/// Parses the command line.
///
/// # Errors
///
/// When the help or the version was requested, or the command line is wrong. The text or a message has been printed;
/// the error is the exit status of the program.
pub(crate) fn parse() -> Result<Args, ExitCode> {
    let mut words: Vec<OsString> = env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "map") {
        let after_map = words.split_off(2);
        if after_map == ["--help", "all"] || after_map == ["--help=all"] {
            return Err(print_all_help());
        }
        words.extend(attached::normalize(after_map, &map_definitions()));
    }
    let mut definitions = definitions();
    let parsed = definitions.try_get_matches_from_mut(words).and_then(|matches| {
        let mut args = Args::from_arg_matches(&matches).map_err(|error| error.format(&mut definitions))?;
        if let (Command::Map(options), Some(given)) = (&mut args.command, matches.subcommand_matches("map"))
            && !options.pipe.is_on()
        {
            options.items.drop_earlier_count(given);
        }
        Ok(args)
    });
    parsed.map_err(|mut error| {
        if error.kind() == ErrorKind::UnknownArgument {
            // clap suggests `-- --word`, which would run a program with the name of the unknown option.
            error.remove(ContextKind::Suggested);
        }
        match other_options::message(&error) {
            Some(message) => print_message(message),
            None if !error.use_stderr() => return print_help(&error),
            None => print_rendered(&error),
        }
        ExitReason::Error.into()
    })
}

/// Prints help or the version, and returns the exit status of the program.
fn print_help(help: &clap::Error) -> ExitCode {
    if io::stdout().is_terminal() {
        // `print` writes colors. If the terminal is gone, its error cannot be reported.
        let _ = help.print();
        return ExitCode::SUCCESS;
    }
    print_text(help.render().to_string().as_bytes()).into()
}

/// Prints what is wrong with the command line.
fn print_rendered(error: &clap::Error) {
    // If standard error is closed, that error cannot be reported.
    let _ = match io::stderr().is_terminal() {
        // `print` writes colors.
        true => error.print(),
        false => write_all(&mut StandardError, error.render().to_string().as_bytes()),
    };
}

/// Returns the definitions of all subcommands.
pub(super) fn definitions() -> clap::Command {
    // Makes clap report a number such as -1 as a wrong value, and not as an unknown option.
    let with_negative_numbers = |map: clap::Command| {
        map.mut_args(|arg| if attached::takes_next_word(&arg) { arg.allow_negative_numbers(true) } else { arg })
    };
    // Some programs set COLUMNS to 0 where there is no terminal. clap would print each word of the help on a line of its own.
    let has_no_width = env::var("COLUMNS").is_ok_and(|columns| columns == "0") && !io::stdout().is_terminal();
    let command = if has_no_width { Args::command().term_width(MAX_WIDTH) } else { Args::command() };
    // The connection options are hidden in the short help of `cordial map`, but are shown in the help of `cordial worker`.
    command
        .mut_subcommand("worker", |worker| worker.mut_args(|arg| arg.hide(false)))
        .mut_subcommand("map", with_negative_numbers)
}

/// Returns the definitions of `cordial map`.
pub(super) fn map_definitions() -> clap::Command {
    let mut definitions = definitions();
    definitions.build();
    definitions.find_subcommand("map").cloned().unwrap_or(definitions)
}

/// Prints the help of `cordial map` with all options to standard output.
fn print_all_help() -> ExitCode {
    let text = with_rare_options(map_definitions()).render_help().to_string();
    print_text(text.as_bytes()).into()
}

/// Shows the options that the short help leaves out. Options without a help text stay hidden.
pub(super) fn with_rare_options(map: clap::Command) -> clap::Command {
    map.mut_args(|arg| {
        let has_help = arg.get_help().is_some() && !arg.is_positional();
        if has_help { arg.hide(false) } else { arg }
    })
}

#[cfg(test)]
mod tests;
