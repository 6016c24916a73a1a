//! The command line: options, their meaning and the help text. Whether they make sense together is decided in `plan`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::values::Jobs;
use super::{help, unsupported, values};
use crate::stop::halt::Policy;
use crate::exit_reason::Verdict;

/// Run commands in parallel, with limits, and see every failure.
#[derive(Debug, Parser)]
#[command(name = "cordial", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Map(Box<MapOptions>),
    /// Print completions for a shell, to be read by it
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page of `cordial map`, for `man -l -`
    Manual,
    /// Ends what runs when the program that started it is killed
    #[command(hide = true)]
    Guard,
}

/// Run a command for every item of a list, several at once, and print what they write in the order of the list.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "... | cordial map [OPTIONS] COMMAND [ARGUMENT]...\n       cordial map [OPTIONS] COMMAND [ARGUMENT]... ::: ITEM...",
    after_help = help::AFTER
)]
pub(crate) struct MapOptions {
    /// Items end with a NUL instead of a newline (find -print0)
    #[arg(short = '0', long, help_heading = ITEMS, conflicts_with = "delimiter")]
    pub(crate) null: bool,

    /// Items end with this character; \t, \n, \0 and \x2c are understood
    #[arg(short, long, value_name = "C", help_heading = ITEMS, value_parser = values::delimiter)]
    pub(crate) delimiter: Option<u8>,

    /// Read items from FILE instead of standard input
    #[arg(short = 'a', long, value_name = "FILE", help_heading = ITEMS)]
    pub(crate) arg_file: Option<PathBuf>,

    /// Give up to N items to each command
    #[arg(short = 'n', long, visible_short_alias = 'N', value_name = "N", help_heading = ITEMS, default_value = "1", hide_default_value = true)]
    pub(crate) max_args: NonZeroUsize,

    /// What stands for the item, instead of {}
    #[arg(short = 'I', long, value_name = "TEXT", help_heading = ITEMS, value_parser = values::placeholder)]
    pub(crate) replace: Option<OsString>,

    /// COMMAND is a line for sh, with {} or "$1" for the item
    #[arg(long, help_heading = ITEMS)]
    pub(crate) shell: bool,

    /// How many at once; 0: as many as the system allows [default: cores]
    #[arg(short = 'c', long, visible_short_aliases = ['j', 'P'], aliases = ["jobs", "max-procs", "max-concurrency"], value_name = "N", help_heading = RUNNING, value_parser = values::jobs, default_value = "cores", hide_default_value = true, allow_negative_numbers = true)]
    pub(crate) concurrency: Jobs,

    /// Run the commands in DIR
    #[arg(long, visible_alias = "wd", value_name = "DIR", help_heading = RUNNING)]
    pub(crate) workdir: Option<PathBuf>,

    /// Wait this long between two starts
    #[arg(long, value_name = "TIME", help_heading = RUNNING, value_parser = values::duration)]
    pub(crate) delay: Option<Duration>,

    /// Lower the priority by N (1 to 19)
    #[arg(long, value_name = "N", help_heading = RUNNING, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(crate) nice: Option<i32>,

    /// Start none while the load of the machine is above N
    #[arg(long, value_name = "N", help_heading = RUNNING, value_parser = values::load)]
    pub(crate) load: Option<f64>,

    /// Start none while less memory is free, such as 2G
    #[arg(long, value_name = "SIZE", help_heading = RUNNING, value_parser = values::size)]
    pub(crate) memfree: Option<u64>,

    /// Print in the order of the items: the default
    #[arg(short = 'k', long, help_heading = OUTPUT, conflicts_with = "unordered")]
    pub(crate) keep_order: bool,

    /// Print each item when it is done
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) unordered: bool,

    /// Print each line when it is written
    #[arg(long, visible_alias = "lb", help_heading = OUTPUT, conflicts_with = "ungroup")]
    pub(crate) line_buffer: bool,

    /// Leave our outputs to the commands
    #[arg(short = 'u', long, help_heading = OUTPUT, conflicts_with_all = ["tag", "results"])]
    pub(crate) ungroup: bool,

    /// Begin each line with its item and a tab
    #[arg(long, help_heading = OUTPUT, conflicts_with = "json")]
    pub(crate) tag: bool,

    /// Also keep DIR/<index>/stdout, stderr and status
    #[arg(long, value_name = "DIR", help_heading = OUTPUT, conflicts_with = "line_buffer")]
    pub(crate) results: Option<PathBuf>,

    /// Print an object a line instead: index, item, status, seconds, ...
    #[arg(long, help_heading = OUTPUT, conflicts_with_all = ["line_buffer", "ungroup"])]
    pub(crate) json: bool,

    /// Stop everything when the first item fails; exit with its status
    #[arg(long, help_heading = FAILURE, conflicts_with = "halt")]
    pub(crate) fail_fast: bool,

    /// After N failed items or N%: start no more (soon), end all (now)
    #[arg(long, value_name = "soon|now,fail=N[%]", help_heading = FAILURE, value_parser = values::halt)]
    pub(crate) halt: Option<Policy>,

    /// Try a failed item up to N times more; only the last is shown
    #[arg(long, value_name = "N", help_heading = FAILURE, default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,

    /// Stop an item that takes longer: 500ms, 30s, 1h30m, 10 (s)
    #[arg(long, value_name = "TIME", help_heading = FAILURE, value_parser = values::timeout)]
    pub(crate) timeout: Option<Duration>,

    /// Time from SIGTERM to SIGKILL for what is stopped [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = FAILURE, value_parser = values::duration, default_value = "5s", hide_default_value = true)]
    pub(crate) grace: Duration,

    /// Write a line for each item that is done, as GNU parallel does
    #[arg(long, value_name = "FILE", help_heading = LONG)]
    pub(crate) joblog: Option<PathBuf>,

    /// Skip what --joblog or --results says is done
    #[arg(long, help_heading = LONG)]
    pub(crate) resume: bool,

    /// The same, but run again what failed
    #[arg(long, help_heading = LONG)]
    pub(crate) resume_failed: bool,

    /// Print the commands, run none
    #[arg(long, help_heading = LONG)]
    pub(crate) dry_run: bool,

    /// Print neither progress nor failures
    #[arg(long, help_heading = LONG)]
    pub(crate) quiet: bool,

    #[arg(short = 'r', long = "no-run-if-empty", hide = true)]
    _no_run_if_empty: bool,

    #[arg(long = "bar", aliases = ["eta", "progress"], hide = true)]
    _bar: bool,

    /// The command and its arguments, and behind ::: the items
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND", hide = true)]
    pub(crate) command: Vec<OsString>,
}

const ITEMS: &str = "Items";
const RUNNING: &str = "Running";
const OUTPUT: &str = "Output";
const FAILURE: &str = "Failure";
const LONG: &str = "Long work";

/// Reads the command line. What is left to do when it asks for help or is wrong is to end with the status in the error.
pub(crate) fn parse() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|error| {
        // With both outputs closed there is nobody left to tell.
        let _ = match unsupported::sentence(&error) {
            Some(sentence) => writeln!(io::stderr(), "cordial: {sentence}"),
            None => error.print(),
        };
        if error.use_stderr() { ExitCode::from(Verdict::Broken) } else { ExitCode::SUCCESS }
    })
}

/// The definitions, for completions and the manual page.
pub(crate) fn definitions() -> clap::Command {
    Args::command()
}

#[cfg(test)]
mod tests;
