//! `docs/diagnostics.md` shows what programs print. This test runs the programs and compares.
//!
//! `CORDIAL_BLESS=1 cargo test -p cordial --test diagnostics page` writes what they print into the page.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::harness::subprocess;
use crate::programs;

const PAGE: &str = "../../docs/diagnostics.md";

/// The start of the line before the output of a program: the name of the program, and what it has set up.
const MARK: &str = "<!-- output of: ";

const FENCE: &str = "```text\n";

#[test]
fn the_page_shows_what_the_programs_print() {
    if let Some(case) = subprocess::case() {
        let code = programs::run(&case);
        return subprocess::report(if code == ExitCode::SUCCESS { "status 0" } else { "status 1" });
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let mut parts = page.split(MARK);
    let mut expected = parts.next().unwrap().to_owned();
    let mut shown = BTreeSet::new();
    for part in parts {
        let (case, rest) = part.split_once(" -->\n").expect("a mark is a comment on a line of its own");
        let rest = rest.strip_prefix(FENCE).expect("the output follows the mark");
        let (_, rest) = rest.split_once("```\n").expect("the output ends");
        shown.insert(case);
        expected += &format!("{MARK}{case} -->\n{FENCE}{}```\n{rest}", output_of(case));
    }
    for (name, _) in programs::PROGRAMS {
        let with_subscriber = format!("{name} subscriber");
        assert!(shown.contains(name) && shown.contains(&*with_subscriber), "the page shows every program, {name} too");
    }
    if std::env::var_os("CORDIAL_BLESS").is_some() {
        return std::fs::write(path, expected).unwrap();
    }
    for (page, expected) in page.lines().zip(expected.lines()) {
        assert_eq!(page, expected, "docs/diagnostics.md; see `CORDIAL_BLESS` in this file");
    }
    assert_eq!(page, expected);
}

/// The page shows hooks and backtraces only for the program that panics, so they must not change the output of any other.
#[test]
fn without_a_panic_neither_a_hook_nor_a_backtrace_changes_the_output() {
    for (name, _) in programs::PROGRAMS.iter().filter(|(name, _)| *name != "panic") {
        for setup in ["", " subscriber"] {
            let expected = output_of(&format!("{name}{setup}"));
            for more in ["hook-before backtrace", "hook-after backtrace"] {
                assert_eq!(output_of(&format!("{name}{setup} {more}")), expected, "{name}{setup} {more}");
            }
        }
    }
}

/// Runs a program. Returns what it prints, without what differs between two runs, and its exit status.
fn output_of(case: &str) -> String {
    let mut output = output_of_run(case);
    // A pause of the whole program during its long poll hides the poll from the library. Then it runs once more.
    let has_events = case.starts_with("long-poll") && case.contains("subscriber");
    for _ in 0..20 {
        if !has_events || output.matches("event=\"long_poll").count() == 2 {
            break;
        }
        output = output_of_run(case);
    }
    output
}

fn output_of_run(case: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("RUST_BACKTRACE", if case.contains("backtrace") { "1" } else { "0" });
    command.env_remove("RUST_LIB_BACKTRACE");
    let ran = subprocess::run_by(command, "page::the_page_shows_what_the_programs_print", case);
    let mut output = normalized(&ran.stderr);
    output += &format!("({})\n", ran.reports[0]);
    output
}

/// On a busy machine, the polls of the root may be long as well, which has no label: their events are left out.
fn normalized(stderr: &str) -> String {
    let mut output = String::new();
    let mut is_in_frames = false;
    for line in stderr.lines() {
        if line.contains("event=\"long_poll") && !line.contains("label=") {
            continue;
        }
        if is_frame(line) {
            if !is_in_frames {
                output += "   0: (frames)\n";
            }
            is_in_frames = true;
            continue;
        }
        is_in_frames = false;
        let line = match line.split_once("backtrace=") {
            Some((before, _)) => {
                is_in_frames = true;
                format!("{before}backtrace=   0: (frames)")
            }
            None => line.to_owned(),
        };
        output += &replaced(&line);
        output.push('\n');
    }
    output
}

/// Returns whether this is a line of a backtrace: `  12: name of a function`, or its file.
fn is_frame(line: &str) -> bool {
    let text = line.trim_start();
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(' ') && (text.starts_with("at ") || (digits.len() < text.len() && digits.starts_with(": ")))
}

/// Replaces numbers that differ between two runs, and the path of the programs.
fn replaced(line: &str) -> String {
    let line = line.replace(concat!("crates/cordial/tests/diagnostics/", "programs.rs"), "src/main.rs");
    let mut replaced = String::new();
    let mut rest = line.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        let number = match before {
            _ if before.ends_with("main.rs:") => format!("LINE{}", if number.ends_with(':') { ":" } else { "" }),
            _ if before.ends_with('<') => "PID".to_owned(),
            _ if before.ends_with("_ms=") => "N".to_owned(),
            _ if before.ends_with("cordial-worker-") => "N".to_owned(),
            _ if before.ends_with("' (") => "THREAD".to_owned(),
            _ => number.to_owned(),
        };
        replaced += before;
        replaced += &number;
        rest = after;
    }
    replaced + rest
}
