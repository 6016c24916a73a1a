//! What a run will do: the options, checked against each other and the machine. Nothing runs and nothing is overwritten before all of it
//! is in order.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::args::MapOptions;
use crate::item_failure::plain;
use crate::stop::halt::Policy;
use crate::records::joblog::{Joblog, Past};
use crate::records::run_records::{Ledger, Resume};
use crate::report::printer::Form;
use crate::records::results::Results;
use crate::text::display;
use crate::input::Product;
use crate::system;
use crate::template::Template;

/// The word before a list of items.
const LIST: &str = ":::";

/// Words of GNU parallel that begin other lists, and what to do instead.
const OTHER_LISTS: [(&str, &str); 3] = [
    ("::::", "-a FILE reads items from a file"),
    (":::+", "paste gives lines that belong together"),
    ("::::+", "paste FILE FILE gives lines that belong together"),
];

/// Where items come from.
pub(crate) enum Items {
    StandardInput { delimiter: u8 },
    File { file: File, delimiter: u8 },
    Given(Product),
}

/// How outputs are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printing {
    Whole(Form),
    Lines {
        is_tagged: bool,
    },
    /// The commands do it themselves.
    Not,
}

/// The checked options.
pub(crate) struct Plan {
    pub(crate) items: Items,
    pub(crate) template: Template,
    pub(crate) program: Option<PathBuf>,
    pub(crate) at_once: usize,
    pub(crate) printing: Printing,
    pub(crate) policy: Policy,
    pub(crate) ledger: Ledger,
    pub(crate) options: MapOptions,
}

impl Plan {
    /// # Errors
    ///
    /// A sentence that names what is wrong and the way out.
    pub(crate) fn new(mut options: MapOptions) -> Result<Plan, String> {
        let words = std::mem::take(&mut options.command);
        if let Some((list, way)) = OTHER_LISTS.iter().find(|(list, _)| words.iter().any(|word| word == list)) {
            return Err(format!("{list} is absent here: {way}; docs/map.md has the rest"));
        }
        let mut parts = words.split(|word| word == LIST);
        let command = bytes(parts.next().unwrap_or_default())?;
        let lists = parts.map(bytes).collect::<Result<Vec<_>, String>>()?;
        if command.is_empty() {
            return Err(format!("there is no command before {LIST}; what is to be run for each item?"));
        }
        let delimiter = options.delimiter.unwrap_or(if options.null { 0 } else { b'\n' });
        let items = match (&options.arg_file, lists.is_empty()) {
            (Some(_), false) => return Err(format!("items come from --arg-file or stand behind {LIST}, not both")),
            (Some(path), true) => Items::File { file: open(path)?, delimiter },
            (None, true) => Items::StandardInput { delimiter },
            (None, false) => Items::Given(Product::new(lists)),
        };
        if let Some(workdir) = &options.workdir
            && !workdir.is_dir()
        {
            return Err(format!("--workdir {} is no directory", workdir.display()));
        }
        let template = || template(&options, &command);
        let runs = template()?;
        let program = match runs.program().filter(|_| !options.dry_run) {
            Some(name) => system::program(name, options.workdir.as_deref())?,
            None => None,
        };
        if runs.line_in_quotes().is_some_and(|name| !name.contains(&b'/') || is_file(name, &options)) {
            return Err(format!(
                "there is no program {}; it is one word: leave out the quotes, or use --shell to run it as a line for sh",
                display::quoted(&command[0]),
            ));
        }
        check_machine(&options)?;
        Ok(Plan {
            at_once: options.concurrency.number(system::most_at_once()),
            printing: printing(&options),
            policy: match options.halt {
                _ if options.fail_fast => Policy::FailFast,
                policy => policy.unwrap_or(Policy::Never),
            },
            // Last, because it makes files.
            ledger: ledger(&options, template()?)?,
            template: runs,
            items,
            program,
            options,
        })
    }
}

fn is_file(name: &[u8], options: &MapOptions) -> bool {
    let name = system::word(name.to_vec()).unwrap_or_default();
    options.workdir.as_deref().unwrap_or(Path::new("")).join(name).is_file()
}

fn bytes(words: &[OsString]) -> Result<Vec<Vec<u8>>, String> {
    words.iter().cloned().map(system::bytes).collect()
}

fn open(path: &PathBuf) -> Result<File, String> {
    let unreadable = |error| format!("the file of items {} cannot be read: {}", path.display(), plain(&error));
    let file = File::open(path).map_err(unreadable)?;
    match file.metadata().map_err(unreadable)?.is_dir() {
        true => Err(format!("the file of items {} is a directory", path.display())),
        false => Ok(file),
    }
}

fn template(options: &MapOptions, command: &[Vec<u8>]) -> Result<Template, String> {
    let placeholder = options.replace.clone().map_or_else(|| Ok(b"{}".to_vec()), system::bytes)?;
    if options.shell {
        Template::shell(&command.join(&b' '), &placeholder)
    } else {
        Ok(Template::words(command, &placeholder))
    }
}

fn printing(options: &MapOptions) -> Printing {
    match options {
        MapOptions { ungroup: true, .. } => Printing::Not,
        MapOptions { line_buffer: true, tag, .. } => Printing::Lines { is_tagged: *tag },
        MapOptions { json: true, .. } => Printing::Whole(Form::Json),
        MapOptions { tag: true, .. } => Printing::Whole(Form::Tagged),
        _ => Printing::Whole(Form::Plain),
    }
}

/// What the machine does not tell cannot be waited for.
fn check_machine(options: &MapOptions) -> Result<(), String> {
    let untold =
        |option: &str, error| format!("{option} cannot be used here: the system does not tell: {}", plain(&error));
    if options.load.is_some() {
        system::load().map_err(|error| untold("--load", error))?;
    }
    if options.memfree.is_some() {
        system::free_memory().map_err(|error| untold("--memfree", error))?;
    }
    Ok(())
}

fn ledger(options: &MapOptions, template: Template) -> Result<Ledger, String> {
    let resume = match (options.resume, options.resume_failed) {
        (_, true) => Resume::Failed,
        (true, false) => Resume::Missing,
        (false, false) => Resume::No,
    };
    if resume != Resume::No && options.joblog.is_none() && options.results.is_none() {
        return Err("--resume goes on with a --joblog or with --results: name one of them".to_owned());
    }
    let past = match &options.joblog {
        Some(path) if resume == Resume::No => Joblog::check_new(path).map(|()| Past::default())?,
        Some(path) => Joblog::read(path, &template)?,
        None => Past::default(),
    };
    let (mut joblog, mut results) = (None, None);
    if !options.dry_run {
        results = match &options.results {
            Some(path) if resume == Resume::No => Some(Results::create(path)?),
            Some(path) => Some(Results::resume(path)?),
            None => None,
        };
        joblog = options.joblog.as_deref().map(Joblog::open).transpose()?;
    }
    Ok(Ledger { template, joblog, past, results, resume, left_failed: AtomicU64::new(0), broken: OnceLock::new() })
}
