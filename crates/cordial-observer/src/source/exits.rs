//! Exits, as the crash log shows them.

use std::error::Error;

use cordial::process::Crash;
use cordial::{Exit, Location};

use super::texts::shortened;

/// How many causes of an error are shown.
const MAX_CAUSES: usize = 20;

/// How many bytes of each text of a crash are shown. `cordial` itself keeps fewer.
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

/// Returns what happened, followed by at most 20 causes, the outermost first. There is at least one text.
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

/// Returns the backtrace of an exit, if it has one. That of a panic begins with the code that has panicked.
pub(crate) fn backtrace_of(exit: &Exit) -> Option<String> {
    let Exit::Panic(report) = exit else {
        return exit.backtrace().map(|text| shortened(&text.to_string(), MAX_BACKTRACE));
    };
    report.backtrace_text().map(|text| shortened(below_the_panic(&text), MAX_BACKTRACE))
}

/// The function of the standard library whose callees handle the panic: they are the lines before it in a backtrace.
const HANDLES_PANIC: &str = "__rust_end_short_backtrace";

/// Functions through which code panics.
const PANICS: [&str; 2] = ["rust_begin_unwind", "core::panicking::"];

/// Returns the part of a backtrace that begins with the code that has panicked, or all of it if that is not found.
fn below_the_panic(text: &str) -> &str {
    let is_frame =
        |line: &str| line.trim_start().split_once(':').is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let is_of_panic = |line: &str| PANICS.iter().any(|function| line.contains(function));
    let Some(handles) = text.find(HANDLES_PANIC) else { return text };
    let mut begin = handles;
    for line in text[handles..].split_inclusive('\n') {
        if begin > handles && is_frame(line) && !is_of_panic(line) {
            return &text[begin..];
        }
        begin += line.len();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::below_the_panic;

    #[test]
    fn a_backtrace_begins_with_the_code_that_has_panicked() {
        let program = "  8: shop::pay\n       at shop.rs:34:5\n  9: main\n";
        let text = format!(
            "  0: record\n       at hook.rs:144:51\n  5: std::__rust_end_short_backtrace\n       at backtrace.rs:182:18\n  6: __rustc::rust_begin_unwind\n  7: core::panicking::panic_fmt\n       at panicking.rs:80:14\n{program}"
        );
        assert_eq!(below_the_panic(&text), program);
        assert_eq!(below_the_panic(program), program);
        assert_eq!(below_the_panic("  5: std::__rust_end_short_backtrace"), "  5: std::__rust_end_short_backtrace");
    }
}
