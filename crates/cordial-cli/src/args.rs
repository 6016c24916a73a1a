//! The command line: flags, their meaning and the help text.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

use crate::verdict::Verdict;

/// Run work in parallel, with limits, and see every failure.
#[derive(Debug, Parser)]
#[command(name = "cordial", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Map(MapOptions),
}

/// Run a command for every line of standard input, several at once.
///
/// Each line is an item. The output of each item is kept together and printed in the order of the input, however long the items
/// take. A failure is one line on standard error; the other items go on.
#[derive(Debug, clap::Args)]
#[command(override_usage = "cordial map [OPTIONS] [--] <COMMAND> [ARGUMENT]...", after_long_help = AFTER_HELP)]
pub(crate) struct MapOptions {
    /// How many commands may run at once [default: the number of cores]
    #[arg(short = 'c', long, value_name = "NUMBER", value_parser = concurrency, allow_negative_numbers = true)]
    max_concurrency: Option<NonZeroUsize>,

    /// How long one item may take, such as 500ms, 30s or 1h 30m; then it is killed with its children [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    pub(crate) timeout: Option<Duration>,

    /// The command and its arguments; {} is replaced by the item, and without any {} the item comes last
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl MapOptions {
    pub(crate) fn max_concurrency(&self) -> NonZeroUsize {
        // Not knowing the cores is no reason to fail: one at a time is always right.
        self.max_concurrency.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}

const AFTER_HELP: &str = "\
Examples:
  find . -name '*.rs' | cordial map -- wc -l
  find . -name '*.png' | cordial map -c 8 --timeout 30s -- convert {} {}.webp
  cat hosts | cordial map -c 50 --timeout 5s -- ssh {} uptime
  seq 100 | cordial map -- sh -c 'echo \"$1\" squared is $(($1 * $1))' sh {}

No shell is involved unless you start one, as in the last example; hand it the item as an argument, never inside the script. Lines are \
taken as they are, empty ones and a carriage return at the end too. Only {} is replaced.

Exit status:
  0         every item succeeded
  1 to 100  that many items failed
  101       more than 100 items failed
  130, 143  stopped by SIGINT (Ctrl-C) or SIGTERM
  141       standard output was closed, as by head
  255       bad usage, or an error of cordial itself";

/// Reads the command line. What is left to do when it asks for help or is wrong is to end with the status in the error.
pub(crate) fn parse() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|error| {
        // With both outputs closed there is nobody left to tell.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(Verdict::Broken) } else { ExitCode::SUCCESS }
    })
}

fn concurrency(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<usize>() {
        Ok(number) => {
            NonZeroUsize::new(number).ok_or_else(|| "with 0 at once nothing would ever run; give 1 or more".to_owned())
        }
        Err(_) => Err("give a whole number of commands, 1 or more".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("no item can end within no time; leave the option out for no limit".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; give a duration such as 500ms, 30s or 1h 30m")),
    }
}

#[cfg(test)]
mod tests;
