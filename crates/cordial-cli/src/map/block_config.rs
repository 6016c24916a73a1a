//! Checks the options of `--pipe`.

use std::fs::File;

use crate::args::{BlockOption, MapOptions};
use crate::input::{Origin, Source};
use crate::pipe::{BlockOptions, Separator};
use crate::system;
use crate::template::{CommandTemplate, Syntax};
use crate::text::io_error;

/// The default of `--block`, in bytes, as in GNU parallel.
const DEFAULT_BLOCK_BYTES: usize = 1024 * 1024;

/// Checks that a run without `--pipe` has no option that only `--pipe` uses.
///
/// # Errors
///
/// A message that says what is wrong, and what to do.
pub(super) fn check_without_pipe(options: &MapOptions) -> Result<(), String> {
    let given = [
        (options.pipe.block.is_some(), "--block"),
        (options.pipe.recend.is_some(), "--recend"),
        (options.pipe.recstart.is_some(), "--recstart"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) => Err(format!("{option} says how --pipe cuts its input: add --pipe, or leave it out")),
        None => Ok(()),
    }
}

/// Returns the syntax of a command with `--pipe`: the command may contain `{#}` and `{%}`, and no item is appended to it. The syntax knows the
/// placeholders for items too, so that [`block_options`] can refuse them.
///
/// # Errors
///
/// A message, when the text of an option is not valid Unicode on Windows.
pub(super) fn block_syntax(options: &MapOptions) -> Result<Syntax, String> {
    let mut syntax = Syntax::default().without_appended_item();
    if let Some(text) = options.items.replace() {
        syntax = syntax.replace(system::argument_bytes(text)?);
    }
    for (written, text) in options.items.renamed() {
        syntax = syntax.rename(written, system::argument_bytes(text.clone())?);
    }
    Ok(syntax)
}

/// Checks the options of a run with `--pipe`, and returns where the input comes from, and how it is cut into blocks.
///
/// # Errors
///
/// A message that says what is wrong, and what to do.
pub(super) fn block_options(
    options: &MapOptions,
    template: &CommandTemplate,
    mut sources: Vec<Source>,
    n_slots: usize,
) -> Result<(Origin, BlockOptions), String> {
    let items = &options.items;
    let origin = match (sources.pop(), sources.is_empty()) {
        (Some(Source { origin: origin @ (Origin::Stdin | Origin::File { .. }), .. }), true) => origin,
        _ => {
            return Err(
                "--pipe reads its standard input or the file of one -a: leave out ::: and :::: and what follows them"
                    .to_owned(),
            );
        }
    };
    let file = match &origin {
        Origin::File { file, .. } => Some(file),
        _ => None,
    };
    let is_split = items.null || items.delimiter.is_some() || items.words;
    let has_values = items.colsep.is_some() || items.trim.is_some() || items.eof().is_some();
    let is_packed = items.context || items.multiple || items.xargs;
    let (recend, recstart) = (&options.pipe.recend, &options.pipe.recstart);
    let checks = [
        (
            matches!(template, CommandTemplate::ItemIsLine(_)),
            "--pipe needs a command, which reads a block from its standard input",
        ),
        (is_split, "with --pipe, records end with --recend: write --recend '\\0' for -0"),
        (has_values, "--colsep, --trim and -E are about items, and with --pipe there are none: leave them out"),
        (
            items.header.is_some(),
            "--header with --pipe is not supported: write tail -n +2 FILE | cordial map --pipe '(head -n 1 FILE; cat) | COMMAND', \
             which repeats the first line for each block",
        ),
        (items.max_records() == Some(0), "-N 0 has no meaning with --pipe: write -N 1 for one record in each block"),
        (
            items.max_lines().is_some(),
            "-L with --pipe is the number of lines of a record, and needs the number of records of a block: add -N, as in -L 4 -N 1000",
        ),
        (
            items.given_lines().is_some() && (recend.is_some() || recstart.is_some()),
            "-L with --pipe makes a record of lines, and --recend and --recstart another one: leave out one of them",
        ),
        (
            is_packed,
            "-X, -m and --xargs are about items, and with --pipe there are none: -N N puts N records into a block",
        ),
        (
            items.max_chars.is_some() || items.is_exact || items.plus || items.link,
            "-s, -x, --plus and --link are about items, and with --pipe there are none: leave them out",
        ),
        (
            options.resume || options.resume_failed,
            "--resume cannot be used with --pipe: the blocks of another input may be at the same positions; start again with another joblog",
        ),
        (
            options.halt.is_some_and(|halt| halt.needs_total()),
            "--halt with a percentage cannot be used with --pipe, whose number of blocks is not known: write a number",
        ),
        (
            options.pipe.round_robin && options.retries > 0,
            "--retries cannot be used with --round-robin: the blocks that a command has read are not kept; leave out one of them",
        ),
        (options.pipe.pipe_part && file.is_none(), "--pipe-part cuts a file: add -a FILE, or write --pipe"),
        (
            options.dry_run && options.pipe.round_robin,
            "--dry-run cannot be used with --round-robin: try it with --pipe alone",
        ),
        (
            options.remote.is_used(),
            "-S cannot be used with --pipe: commands on other machines have no standard input; leave out one of them",
        ),
        (
            options.launch.tty,
            "--tty cannot be used with --pipe, which gives the commands another input: leave out one of them",
        ),
        (
            template.uses_item(),
            "the command has a placeholder for an item, and with --pipe there is none: it reads a block from its standard input, and {#} \
             is the number of the block",
        ),
    ];
    if let Some((_, message)) = checks.into_iter().find(|(is_wrong, _)| *is_wrong) {
        return Err(message.to_owned());
    }
    let (size, shares) = match options.pipe.block {
        None => (DEFAULT_BLOCK_BYTES as u64, None),
        Some(BlockOption::Bytes(size)) => (size, None),
        Some(BlockOption::PerSlot(number)) => {
            let length = file.map(File::metadata).transpose().map_err(|error| {
                format!(
                    "cannot read the size of the file of -a, which --block -N needs: {}",
                    io_error::describe(&error)
                )
            })?;
            match length.filter(std::fs::Metadata::is_file) {
                Some(metadata) => {
                    let n_blocks = number.saturating_mul(n_slots as u64);
                    (metadata.len().div_ceil(n_blocks).max(1), Some((metadata.len(), n_blocks)))
                }
                None => {
                    return Err("--block -N needs the size of a file: add -a FILE, or write --block SIZE".to_owned());
                }
            }
        }
    };
    let bytes = |separator: &Option<crate::args::RecordSeparator>| {
        separator.as_ref().map(|separator| separator.0.clone()).unwrap_or_default()
    };
    let end = if recend.is_none() && recstart.is_none() { b"\n".to_vec() } else { bytes(recend) };
    let blocks = BlockOptions {
        separator: Separator::new(&end, &bytes(recstart)),
        size: usize::try_from(size).map_err(|_| "--block is larger than memory".to_owned())?,
        shares,
        records: items.max_records().map(|records| records.saturating_mul(items.given_lines().map_or(1, usize::from))),
        n_sharing: options.pipe.round_robin.then_some(n_slots),
    };
    Ok((origin, blocks))
}
