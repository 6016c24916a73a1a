//! Exits, as the crash log shows them.

use std::error::Error;

use cordial::process::Crash;
use cordial::{Exit, Location};

use super::texts::shortened;

/// How many causes of an error are shown.
const MAX_CAUSES: usize = 20;

/// How much of each text of a crash is shown, in bytes.
const MAX_TEXT: usize = 20 * 1024;
const MAX_BACKTRACE: usize = 256 * 1024;

/// Returns the kind of an exit: `panic`, `error`, `timeout`, `killed`, `lost` or `other`.
pub(crate) fn kind_of(exit: &Exit) -> &'static str {
    match exit {
        Exit::Panic(_) => "panic",
        Exit::Error(_) => "error",
        Exit::Timeout(_) => "timeout",
        Exit::Killed => "killed",
        Exit::Lost(_) => "lost",
        _ => "other",
    }
}

/// Returns where a process panicked, or else where it was spawned.
pub(crate) fn place_of(crash: &Crash) -> &Location {
    match &crash.exit {
        Exit::Panic(report) => report.location(),
        _ => &crash.spawned_at,
    }
}

/// Returns what happened, followed by the causes, the outermost first. There is at least one text.
pub(crate) fn chain_of(exit: &Exit) -> Vec<String> {
    match exit {
        Exit::Panic(report) => vec![shortened(report.message(), MAX_TEXT)],
        Exit::Error(error) => {
            let causes = std::iter::successors(error.source(), |&cause| cause.source());
            let causes = causes.take(MAX_CAUSES).map(ToString::to_string);
            std::iter::once(error.to_string()).chain(causes).map(|text| shortened(&text, MAX_TEXT)).collect()
        }
        other => vec![shortened(&other.to_string(), MAX_TEXT)],
    }
}

/// Returns the backtrace of a panic, if there is one: of this program, or of another one that ran the process.
pub(crate) fn backtrace_of(exit: &Exit) -> Option<String> {
    let Exit::Panic(report) = exit else {
        return exit.backtrace().map(|text| shortened(&text.to_string(), MAX_BACKTRACE));
    };
    report.backtrace_text().map(|text| shortened(&text, MAX_BACKTRACE))
}
