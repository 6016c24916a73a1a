//! The options about items: where they come from, how they are split, and how they are inserted into the command.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ArgMatches;

use super::values::{self, Header};
use crate::input::Trim;

/// Options about items.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Items")]
pub(crate) struct ItemOptions {
    /// Items end with a NUL byte instead of a newline (find -print0)
    #[arg(short = '0', long, overrides_with_all = ["delimiter", "words"])]
    pub(crate) null: bool,

    /// Items end with this character; escapes: \t, \n, \0, \x2c
    #[arg(short, long, value_name = "C", value_parser = values::delimiter, overrides_with_all = ["null", "words"])]
    pub(crate) delimiter: Option<u8>,

    /// Items are words with quotes, as xargs reads them
    #[arg(long, overrides_with_all = ["null", "delimiter"])]
    pub(crate) words: bool,

    /// Read items from FILE instead of standard input; given twice: all combinations
    #[arg(short = 'a', long, aliases = ["argfile"], value_name = "FILE")]
    pub(crate) arg_file: Vec<PathBuf>,

    /// Combine the items of several sources in pairs, not in all combinations
    #[arg(long, alias = "xapply", hide = true)]
    pub(crate) link: bool,

    /// Split each item at this regular expression; {1}, {2}, ... are its parts
    #[arg(short = 'C', long, aliases = ["col-sep"], value_name = "REGEXP", value_parser = values::colsep, allow_hyphen_values = true)]
    pub(crate) colsep: Option<regex::bytes::Regex>,

    /// The first item of each source has the names of its values: {NAME} is the value with this name
    #[arg(long, value_name = ":", value_parser = values::header, hide = true)]
    pub(crate) header: Option<Header>,

    /// Remove blanks around each value: n (none), l (left), r (right), lr (both) [default: n; with --colsep lr]
    #[arg(long, value_name = "WHERE", value_parser = values::trim, hide = true)]
    pub(crate) trim: Option<Trim>,

    /// Stop reading a source at an item that is TEXT
    #[arg(
        short = 'E',
        value_name = "TEXT",
        id = "eof",
        overrides_with = "optional_eof",
        allow_hyphen_values = true,
        hide = true
    )]
    pub(super) eof: Option<OsString>,

    #[arg(short = 'e', long = "eof", num_args = 0..=1, require_equals = true, hide = true, overrides_with = "eof", allow_hyphen_values = true)]
    pub(super) optional_eof: Option<Option<OsString>>,

    /// Pass up to N items to each command; 0: one command per item, without the item
    #[arg(short = 'n', long, alias = "maxargs", value_name = "N", value_parser = values::number::<usize>, overrides_with = "max_replace_args")]
    pub(super) max_args: Option<usize>,

    /// Pass up to N items to each command; {1} to {N} are the items
    #[arg(short = 'N', long, alias = "maxreplaceargs", value_name = "N", value_parser = values::number::<usize>, overrides_with = "max_args", hide = true)]
    pub(crate) max_replace_args: Option<usize>,

    /// Pass up to N lines to each command; a line that ends with a blank is joined with the next one
    #[arg(short = 'L', value_name = "N", value_parser = values::at_least_one, overrides_with = "optional_lines", hide = true)]
    pub(super) max_lines: Option<NonZeroUsize>,

    #[arg(short = 'l', long = "max-lines", alias = "maxlines", num_args = 0..=1, require_equals = true, value_parser = values::at_least_one, hide = true, overrides_with = "max_lines")]
    pub(super) optional_lines: Option<Option<NonZeroUsize>>,

    /// Pass as many items to each command as fit; repeat a word with {} for each item
    #[arg(short = 'X', overrides_with_all = ["multiple", "xargs"], id = "context")]
    pub(crate) context: bool,

    /// Pass as many items to each command as fit, divided evenly
    #[arg(short = 'm', overrides_with_all = ["context", "xargs"], id = "multiple", hide = true)]
    pub(crate) multiple: bool,

    /// Pass as many items to each command as fit
    #[arg(long, overrides_with_all = ["context", "multiple"], id = "xargs", hide = true)]
    pub(crate) xargs: bool,

    /// Limit the length of a command line to N bytes, at most 131072
    #[arg(short = 's', long, alias = "maxchars", value_name = "N", value_parser = values::at_least_one, hide = true)]
    pub(crate) max_chars: Option<NonZeroUsize>,

    /// Stop when the items of -n or -L do not fit on a command line, instead of passing fewer
    #[arg(short = 'x', long = "exit", id = "exit", hide = true)]
    pub(crate) is_exact: bool,

    /// Use TEXT as the placeholder for the item, instead of {}
    #[arg(short = 'I', value_name = "TEXT", id = "replace", value_parser = values::placeholder, allow_hyphen_values = true, overrides_with = "optional_replace")]
    pub(super) replace: Option<OsString>,

    #[arg(short = 'i', long = "replace", num_args = 0..=1, require_equals = true, value_parser = values::placeholder, hide = true, overrides_with = "replace")]
    pub(super) optional_replace: Option<Option<OsString>>,

    /// Also replace {..}, {...}, {/..}, {/...}, {+/}, {+.}, {+..} and {+...}, as parallel --plus
    #[arg(long, hide = true)]
    pub(crate) plus: bool,

    /// Use TEXT instead of {.}
    #[arg(long, alias = "er", value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, hide = true)]
    pub(crate) extensionreplace: Option<OsString>,

    /// Use TEXT instead of {/}
    #[arg(long, alias = "bnr", value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, hide = true)]
    pub(crate) basenamereplace: Option<OsString>,

    /// Use TEXT instead of {//}
    #[arg(long, alias = "dnr", value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, hide = true)]
    pub(crate) dirnamereplace: Option<OsString>,

    /// Use TEXT instead of {/.}
    #[arg(long, alias = "bner", value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, hide = true)]
    pub(crate) basenameextensionreplace: Option<OsString>,

    /// Use TEXT instead of {#}
    #[arg(long, value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, hide = true)]
    pub(crate) seqreplace: Option<OsString>,

    /// Use TEXT instead of {%}
    #[arg(long, value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, hide = true)]
    pub(crate) slotreplace: Option<OsString>,

    /// Use TEXT instead of ::: before a list of items
    #[arg(long, alias = "argsep", value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, default_value = ":::", hide_default_value = true, hide = true)]
    pub(crate) arg_sep: OsString,

    /// Use TEXT instead of :::: before files of items
    #[arg(long, alias = "argfilesep", value_name = "TEXT", value_parser = values::placeholder, allow_hyphen_values = true, default_value = "::::", hide_default_value = true, hide = true)]
    pub(crate) arg_file_sep: OsString,
}

impl ItemOptions {
    /// Returns the number of records for each command, if `-n` or `-N` gives it. 0 means one record, which is not inserted.
    pub(crate) fn max_records(&self) -> Option<usize> {
        self.max_args.or(self.max_replace_args)
    }

    /// Returns the option that can give a command more or fewer items than one, as messages write it.
    pub(crate) fn grouping(&self) -> Option<&'static str> {
        let given = [
            (self.max_args.is_some_and(|number| number != 1), "-n"),
            (self.max_replace_args.is_some_and(|number| number != 1), "-N"),
            (self.max_lines.is_some() && self.max_lines().is_some(), "-L"),
            (self.optional_lines.is_some() && self.max_lines().is_some(), "-l"),
            (self.context, "-X"),
            (self.multiple, "-m"),
            (self.xargs, "--xargs"),
        ];
        given.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
    }

    /// Returns an option whose value has to be attached to it, as in `-l2`, and that was given without a value. The first text names the
    /// option by its spellings, and the second is the spelling to which the user can attach the value.
    pub(crate) fn without_value(&self) -> Option<(&'static str, &'static str)> {
        let given = [
            (matches!(self.optional_lines, Some(None)), ("-l or --max-lines", "-l")),
            (matches!(self.optional_eof, Some(None)), ("-e or --eof", "-e")),
            (matches!(self.optional_replace, Some(None)), ("-i or --replace", "-i")),
        ];
        given.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
    }

    /// Returns the value that ends a source. An empty text ends none, as for `xargs` and GNU parallel.
    pub(crate) fn eof(&self) -> Option<&OsString> {
        let given = self.eof.as_ref().or(self.optional_eof.as_ref().and_then(Option::as_ref));
        given.filter(|text| !text.is_empty())
    }

    /// Drops a `-n` before a `-L` or `-l`: of these options, the last counts, as for `xargs`.
    pub(super) fn drop_earlier_count(&mut self, given: &ArgMatches) {
        let last_index = |id: &str| given.indices_of(id).and_then(Iterator::last);
        if last_index("max_lines").max(last_index("optional_lines")) > last_index("max_args") {
            self.max_args = None;
        }
    }

    /// Returns the number of lines for each command, if `-L` or `-l` takes effect. Beside `-N` neither does, as for GNU parallel, and
    /// neither does before a later `-n`.
    pub(crate) fn max_lines(&self) -> Option<NonZeroUsize> {
        self.given_lines().filter(|_| self.max_records().is_none())
    }

    /// Returns the number of `-L` or `-l`. Without a number, `-l` is one line.
    pub(crate) fn given_lines(&self) -> Option<NonZeroUsize> {
        self.max_lines.or(self.optional_lines.map(|lines| lines.unwrap_or(NonZeroUsize::MIN)))
    }

    /// Changes the options so that each item is split at tabs; blanks around the parts stay, unless `--trim` is given.
    pub(crate) fn split_at_tabs(&mut self) {
        self.colsep = values::colsep("\\t").ok();
        self.trim.get_or_insert_default();
    }

    /// Returns the placeholders for which an option gives another text, each with that text.
    pub(crate) fn renamed(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        let texts = [
            ("{.}", &self.extensionreplace),
            ("{/}", &self.basenamereplace),
            ("{//}", &self.dirnamereplace),
            ("{/.}", &self.basenameextensionreplace),
            ("{#}", &self.seqreplace),
            ("{%}", &self.slotreplace),
        ];
        texts.into_iter().filter_map(|(written, text)| Some((written, text.as_ref()?)))
    }

    /// Returns the text of `-I` or `-i`, which stands for the item. Without a text, `-i` is `-I {}`.
    pub(crate) fn replace(&self) -> Option<OsString> {
        let optional = self.optional_replace.as_ref().map(|text| text.clone().unwrap_or_else(|| "{}".into()));
        self.replace.clone().or(optional)
    }
}
