//! Options of `xargs` and GNU parallel that are rare or have no effect here, and what to use instead of those that are not
//! supported.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::values;

/// The page that compares the options of `cordial map` with those of `xargs` and GNU parallel.
const COMPARISON_PAGE: &str = "docs/map.md";

/// All options of `xargs` and GNU parallel, one line for each group: the programs (`x`, `p`), the spellings, words to try
/// after a spelling, what the option does here (`same`, `differs`, `nothing`, `refused`), and how it differs or what to
/// use instead. A test runs each spelling, and compares the table with the page.
const TABLE: &str = include_str!("other_options.tsv");

/// Options that `xargs` and GNU parallel have.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub(crate) struct OtherOptions {
    /// Print each command to standard error before it starts
    #[arg(short = 't', short_alias = 'v', long)]
    pub(crate) verbose: bool,

    /// Ask at the terminal before each command; y runs it
    #[arg(short = 'p', long, hide = true)]
    pub(crate) interactive: bool,

    /// Put the number of the slot, counted from 0, into the variable NAME of each command
    #[arg(long, alias = "processslotvar", value_name = "NAME", value_parser = values::variable_name, hide = true)]
    pub(crate) process_slot_var: Option<String>,

    /// Never read one word as a line for the shell
    #[arg(short = 'q', long, hide = true, conflicts_with_all = ["shell", "shell_path"])]
    pub(crate) quote: bool,

    #[arg(short = 'r', long = "no-run-if-empty", alias = "norunifempty", hide = true)]
    _no_run_if_empty: bool,

    #[arg(long = "group", hide = true, overrides_with_all = ["ungroup", "line_buffer"])]
    _group: bool,

    #[arg(long = "silent", hide = true, overrides_with = "verbose")]
    _silent: bool,

    #[arg(long = "gnu", aliases = ["plain", "will-cite", "willcite", "nn", "nonotice", "no-notice"], hide = true)]
    _gnu: bool,
}

/// Returns the message for an unsupported option of `xargs` or GNU parallel, and `None` for any other error.
pub(super) fn message(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    // A long option may include its value, and a short one may be followed by other letters.
    let name = match given.strip_prefix("--") {
        Some(_) => given.split('=').next().unwrap_or(given),
        None => given.char_indices().nth(2).map_or(&given[..], |(end, _)| &given[..end]),
    };
    let instead = instead(name)?;
    Some(format!("{name} is not supported: {instead}; see {COMPARISON_PAGE}"))
}

/// Returns what to use instead of a refused option; `None` for any other text.
fn instead(name: &str) -> Option<&'static str> {
    TABLE.lines().find_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, spellings, _, "refused", text] = fields[..] else { return None };
        spellings.split(' ').any(|spelling| spelling == name).then_some(text)
    })
}
