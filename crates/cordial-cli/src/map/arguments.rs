//! The words of the command line: the command, the sources of its items, and the placeholders that the command may
//! have.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::args::{ItemOptions, MapOptions};
use crate::blocking_io::print_message;
use crate::command_size::CommandSize;
use crate::input::{
    Combination, Grouping, ItemSeparator, MAX_COMMAND_BYTES, Origin, SizeLimit, Source, Sources, Trim, ValueEdit,
};
use crate::system;
use crate::template::{BesideText, CommandTemplate, Syntax};
use crate::text::{display, io_error};

/// The largest length of a value with columns (`--colsep`). All its columns are in memory.
const MAX_ROW_BYTES: usize = 16 << 20;

/// The command and the sources of its items.
pub(super) struct Arguments {
    pub(super) command: Vec<Vec<u8>>,
    pub(super) sources: Vec<Source>,
}

impl Arguments {
    /// Splits the words of the command line, and opens the files that they name.
    ///
    /// # Errors
    ///
    /// A message, when a file cannot be opened or is a directory, when no file follows `::::`, when standard input is named twice,
    /// or when a word is not valid Unicode on Windows.
    pub(super) fn new(options: &mut MapOptions) -> Result<Arguments, String> {
        let words = std::mem::take(&mut options.command);
        let options = &options.items;
        let mut arguments = Arguments { command: Vec::new(), sources: Vec::new() };
        let combination = if options.link { Combination::PairsAgain } else { Combination::All };
        for path in &options.arg_file {
            arguments.add(Source { origin: open(path)?, combination })?;
        }
        let separators = Separators::new(options);
        let mut list: Option<(Vec<OsString>, ListKind)> = None;
        for word in words {
            match (separators.kind(&word), &mut list) {
                (Some(kind), _) => {
                    arguments.add_list(list.replace((Vec::new(), kind)), combination)?;
                }
                (None, Some((list, _))) => list.push(word),
                (None, None) => arguments.command.push(system::argument_bytes(word)?),
            }
        }
        arguments.add_list(list, combination)?;
        if arguments.sources.is_empty() {
            arguments.sources.push(Source { origin: Origin::Stdin, combination });
        }
        Ok(arguments)
    }

    fn add_list(&mut self, list: Option<(Vec<OsString>, ListKind)>, combination: Combination) -> Result<(), String> {
        let Some((words, kind)) = list else { return Ok(()) };
        // With `--link`, all lists are paired, and those that end begin again.
        let combination = match combination {
            Combination::All if kind.is_linked => Combination::Pairs,
            combination => combination,
        };
        if !kind.is_files {
            let words = words.into_iter().map(system::argument_bytes).collect::<Result<_, String>>()?;
            return self.add(Source { origin: Origin::Words(words), combination });
        }
        if words.is_empty() {
            return Err("no file follows the last ::::; name files of items, or - for standard input".to_owned());
        }
        words.iter().try_for_each(|path| self.add(Source { origin: open(Path::new(path))?, combination }))
    }

    fn add(&mut self, source: Source) -> Result<(), String> {
        let is_stdin = |source: &Source| matches!(source.origin, Origin::Stdin);
        if is_stdin(&source) && self.sources.iter().any(is_stdin) {
            return Err("standard input can be read once only: name - once, and other files for other lists".to_owned());
        }
        self.sources.push(source);
        Ok(())
    }
}

/// The words that begin a list of items (`:::`) and a list of files of items (`::::`).
struct Separators<'o> {
    items: &'o [u8],
    files: &'o [u8],
}

/// How the words after a separator such as `:::` or `::::+` are read.
#[derive(Clone, Copy)]
struct ListKind {
    is_files: bool,
    is_linked: bool,
}

impl Separators<'_> {
    fn new(options: &ItemOptions) -> Separators<'_> {
        Separators { items: options.arg_sep.as_encoded_bytes(), files: options.arg_file_sep.as_encoded_bytes() }
    }

    fn kind(&self, word: &OsString) -> Option<ListKind> {
        let word = word.as_encoded_bytes();
        let is = |separator: &[u8]| match word.strip_prefix(separator) {
            Some(b"") => Some(false),
            Some(b"+") => Some(true),
            _ => None,
        };
        let items = is(self.items).map(|is_linked| ListKind { is_files: false, is_linked });
        items.or_else(|| is(self.files).map(|is_linked| ListKind { is_files: true, is_linked }))
    }
}

fn open(path: &Path) -> Result<Origin, String> {
    if path == Path::new("-") {
        return Ok(Origin::Stdin);
    }
    let cannot_read = |error| {
        format!(
            "cannot read items from {}: {}",
            path.display(),
            io_error::describe_or(&error, "name a file that exists and that you may read")
        )
    };
    let file = File::open(path).map_err(cannot_read)?;
    match file.metadata().map_err(cannot_read)?.is_dir() {
        true => Err(format!("cannot read items from {}: it is a directory; name a file", path.display())),
        false => Ok(Origin::File { file, path: PathBuf::from(path) }),
    }
}

/// Returns what separates the items of files and of standard input.
fn separator(options: &ItemOptions) -> ItemSeparator {
    match options.delimiter {
        _ if options.words && options.replace().is_some() => ItemSeparator::QuotedLines,
        _ if options.words => ItemSeparator::Words,
        _ if options.null => ItemSeparator::Byte(0),
        delimiter => ItemSeparator::Byte(delimiter.unwrap_or(b'\n')),
    }
}

/// The largest number of records and of lines in an item. `None` for both: as many as fit on a command line.
struct Counts {
    max_records: Option<usize>,
    max_lines: Option<usize>,
}

impl Counts {
    fn new(options: &ItemOptions) -> Counts {
        let as_many_as_fit = options.context || options.multiple || options.xargs;
        let records = options.max_records().map(|records| records.max(1));
        match options.max_lines().map(usize::from) {
            Some(lines) if options.words => Counts { max_records: None, max_lines: Some(lines) },
            Some(lines) => Counts { max_records: Some(lines), max_lines: None },
            None => Counts { max_records: records.or((!as_many_as_fit).then_some(1)), max_lines: None },
        }
    }
}

/// Returns whether a command may get another number of records than one.
pub(super) fn may_group(options: &ItemOptions) -> bool {
    let Counts { max_records, .. } = Counts::new(options);
    max_records != Some(1) || options.max_records() == Some(0)
}

/// Returns the placeholders that the command may have. With `--header`, this reads the first item of each source.
///
/// # Errors
///
/// A message, when a name cannot be read, or cannot be a name, or when the text of an option is not valid Unicode on Windows.
pub(super) fn syntax(options: &mut ItemOptions, sources: &mut [Source]) -> Result<Syntax, String> {
    let headers = if options.header.is_some() { headers(options, sources)? } else { Vec::new() };
    // As in GNU parallel, a tab in a header makes tabs the separators of columns.
    if options.colsep.is_none() && headers.iter().any(|header| header.contains(&b'\t')) {
        options.split_at_tabs();
    }
    let options = &*options;
    let bytes = |text: &OsString| system::argument_bytes(text.clone());
    let counts = Counts::new(options);
    let max_values = match options.colsep {
        Some(_) => None,
        None => counts.max_records.map(|records| records.saturating_mul(sources.len())),
    };
    let mut syntax = Syntax::default().max_values(max_values);
    if let Some(text) = options.replace() {
        syntax = syntax.replace(bytes(&text)?);
    }
    for (written, text) in options.renamed() {
        syntax = syntax.rename(written, bytes(text)?);
    }
    if options.plus {
        syntax = syntax.plus();
    }
    if options.max_records() == Some(0) {
        syntax = syntax.without_items();
    }
    let is_repeated = options.context || options.max_replace_args.is_some() || options.max_lines().is_some();
    syntax = syntax.beside(match counts.max_records {
        _ if is_repeated => BesideText::Repeated,
        Some(1) => BesideText::Once,
        _ => BesideText::Refused,
    });
    if options.header.is_some() {
        syntax = syntax.names(names(options, headers)?);
    }
    Ok(syntax)
}

/// Reads the first item of each source.
fn headers(options: &ItemOptions, sources: &mut [Source]) -> Result<Vec<Vec<u8>>, String> {
    let first = |source: &mut Source| source.take_first(separator(options)).transpose();
    sources
        .iter_mut()
        .filter_map(first)
        .collect::<io::Result<_>>()
        .map_err(|error| format!("cannot read the names of the values (--header): {}", io_error::describe(&error)))
}

/// Returns the names of values from the first item of each source.
fn names(options: &ItemOptions, headers: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, String> {
    let mut names = Vec::new();
    for line in headers {
        match &options.colsep {
            Some(colsep) => names.extend(colsep.split(&line).map(|name| name.trim_ascii().to_vec())),
            // The file may have been written on Windows.
            None => names.push(line.strip_suffix(b"\r").unwrap_or(&line).to_vec()),
        }
    }
    match names.iter().find(|name| name.is_empty() || name.iter().any(|byte| b"{}".contains(byte))) {
        Some(name) => Err(format!(
            "{} cannot be the name of a value (--header): change the first line; or drop it with tail -n +2, and write {{1}}, \
             {{2}} and so on",
            display::quoted(name)
        )),
        None => Ok(names),
    }
}

/// Checks that no item after `:::` contains the byte of `-d`: such items are not split.
fn check_words(options: &ItemOptions, sources: &[Source]) -> Result<(), String> {
    let Some(end) = options.delimiter.filter(|_| !options.null && !options.words) else { return Ok(()) };
    let words = sources.iter().filter_map(|source| match &source.origin {
        Origin::Words(words) => Some(words),
        Origin::Stdin | Origin::File { .. } => None,
    });
    match words.flatten().find(|word| word.contains(&end)) {
        Some(word) => Err(format!(
            "-d splits items that are read, but not an item after ::: such as {}: write each item as a word of its own, or leave \
             out -d if this is one item",
            display::quoted(word)
        )),
        None => Ok(()),
    }
}

/// Returns the sources, and how their items are made. `shares` is the number of commands that run at once, and `remote_size` the length
/// of the line that carries a command to another machine.
///
/// # Errors
///
/// A message, when the text of `-E` is not valid Unicode on Windows.
pub(super) fn sources(
    options: &ItemOptions,
    sources: Vec<Source>,
    template: &CommandTemplate,
    shares: usize,
    remote_size: Option<CommandSize>,
) -> Result<Sources, String> {
    check_words(options, &sources)?;
    let Counts { max_records, max_lines } = Counts::new(options);
    let local = SizeLimit { size: template.size(), max_bytes: MAX_COMMAND_BYTES, ends_input: false };
    let system_limit = SizeLimit {
        // The system counts a pointer for each word as well.
        size: CommandSize { per_value: local.size.per_value + local.size.copies * size_of::<usize>(), ..local.size },
        max_bytes: system::max_words_bytes(),
        ends_input: false,
    };
    let given = options.max_chars.map(|max_chars| SizeLimit {
        size: template.line_size(),
        max_bytes: MAX_COMMAND_BYTES.min(max_chars.into()),
        ends_input: true,
    });
    let remote = remote_size.map(|size| SizeLimit { size, max_bytes: system::MAX_ARGUMENT_BYTES, ends_input: false });
    let default_trim = if options.colsep.is_some() { Trim { left: true, right: true } } else { Trim::default() };
    Ok(Sources {
        sources,
        separator: separator(options),
        edit: ValueEdit {
            eof: options.eof().cloned().map(system::argument_bytes).transpose()?,
            trim: options.trim.unwrap_or(default_trim),
            colsep: options.colsep.clone(),
        },
        joins_lines: options.max_lines().is_some() && separator(options) == ItemSeparator::Byte(b'\n'),
        grouping: Grouping {
            max_records,
            max_lines,
            limits: [given, Some(local), Some(system_limit), remote].into_iter().flatten().collect(),
            shares: (options.context || options.multiple).then_some(shares),
            // `-N` and placeholders such as `{2}` count positions. If a value failed alone, the values after it would move.
            keeps_tuples: options.max_chars.is_none()
                && max_records.is_some()
                && (options.max_replace_args.is_some() || template.names_values()),
            is_exact: options.is_exact,
        },
        max_value_bytes: if options.colsep.is_some() { MAX_ROW_BYTES } else { system::MAX_ARGUMENT_BYTES },
    })
}

/// Returns whether items are read from the terminal, where they are typed in.
pub(super) fn items_are_typed(sources: &[Source]) -> bool {
    sources.iter().any(|source| matches!(source.origin, Origin::Stdin)) && io::stdin().is_terminal()
}

/// Prints that items are read from the terminal, if they are and the run is not quiet: the run otherwise seems to hang.
pub(super) fn announce_terminal(options: &MapOptions, sources: &[Source]) {
    if options.quiet || !items_are_typed(sources) {
        return;
    }
    let form = match separator(&options.items) {
        ItemSeparator::Byte(b'\n') | ItemSeparator::QuotedLines => "one per line, ",
        ItemSeparator::Byte(_) | ItemSeparator::Words => "",
    };
    print_message(format_args!(
        "reading items from the terminal, {form}up to Ctrl-D; ::: gives items on the command line"
    ));
}

/// Prints that the input of `--pipe` is read from the terminal, if it is and the run is not quiet.
pub(super) fn announce_typed_input(is_quiet: bool) {
    if !is_quiet && io::stdin().is_terminal() {
        print_message("--pipe reads its input from the terminal, up to Ctrl-D; -a FILE gives a file");
    }
}
