//! The table of all options of `xargs` and GNU parallel: each spelling does what its line says, and the page lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::harness::{TestDir, at_once, run, skip};

const TABLE: &str = include_str!("../../src/args/other_options.tsv");

/// One line of the table.
struct Line<'t> {
    programs: &'t str,
    spellings: Vec<&'t str>,
    /// The words that follow a spelling when it is tried. With `=`, they are attached. `TERMINAL` and `ELSEWHERE` mean
    /// that the option needs a terminal, or a file, which the test does not have.
    value: &'t str,
    verdict: &'t str,
    text: &'t str,
}

fn table() -> Vec<Line<'static>> {
    let line = |line: &'static str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [programs, spellings, value, verdict, text] = fields[..] else { panic!("{line}") };
        assert!(["same", "differs", "nothing", "refused"].contains(&verdict), "{line}");
        assert_eq!(text.is_empty(), verdict == "same", "{line}");
        Line { programs, spellings: spellings.split(' ').collect(), value, verdict, text }
    };
    TABLE.lines().map(line).collect()
}

#[test]
fn every_spelling_does_what_the_table_says() {
    let dir = TestDir::new();
    fs::write(dir.path("file"), "x\n").unwrap();
    let table = table();
    let all = table.iter().flat_map(|line| line.spellings.iter().map(move |spelling| (line, spelling)));
    let n = all.clone().count();
    assert!(n > 300, "{n}");
    at_once(4, all.enumerate(), |(n, (line, spelling))| {
        let value = line.value.replace("FILE", dir.path("file").to_str().unwrap());
        let value = value.replace("NEW", dir.path(&format!("new-{n}")).to_str().unwrap());
        let option = if value.starts_with('=') { format!("{spelling}{value}") } else { format!("{spelling} {value}") };
        // With `STDIN`, the command reads its standard input.
        let command: &[&str] = if value.contains("STDIN") { &["cat"] } else { &["echo", ":::", "a", "b"] };
        let option = option.replace("STDIN", "");
        let args: Vec<&str> =
            ["map"].into_iter().chain(option.split_whitespace()).chain(command.iter().copied()).collect();
        let result = run(&args, b"i\n");
        if line.verdict == "refused" {
            let message = format!("cordial: {spelling} is not supported: {}; see docs/map.md\n", line.text);
            assert_eq!((result.status, result.stderr), (255, message), "{args:?}");
            assert!(result.stdout.is_empty(), "{args:?}");
        } else if ["TERMINAL", "ELSEWHERE"].contains(&line.value) {
            assert!(!result.stderr.contains("is not supported"), "{args:?}: {}", result.stderr);
        } else {
            assert_eq!(result.status, 0, "{args:?}: {}", result.stderr);
            assert!(!result.stdout.is_empty(), "{args:?}");
            assert!(!result.stderr.contains("cordial"), "{args:?}: {}", result.stderr);
        }
    });
}

#[test]
fn no_spelling_is_listed_twice() {
    let mut lists: BTreeMap<(char, &str), usize> = BTreeMap::new();
    for line in table() {
        for program in line.programs.chars() {
            line.spellings.iter().for_each(|spelling| *lists.entry((program, spelling)).or_default() += 1);
        }
    }
    let twice: Vec<_> = lists.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Checks that each option in the help of a program, which begins a line, is in the table.
fn check_help(program: char, name: &str) {
    let Ok(output) = Command::new(name).arg("--help").output() else {
        return skip(&format!("{name} is not installed"));
    };
    let table = table();
    let known =
        |spelling: &str| table.iter().any(|line| line.programs.contains(program) && line.spellings.contains(&spelling));
    let mut n_found = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let spellings =
            line.split([' ', ',', '=', '[']).filter(|word| !word.is_empty()).take_while(|word| word.starts_with('-'));
        for spelling in spellings.filter(|spelling| line.trim_start().starts_with('-') && spelling.len() > 1) {
            assert!(known(spelling), "{name} has {spelling}: {line}");
            n_found += 1;
        }
    }
    assert!(n_found > 5, "the help of {name} has {n_found} options");
}

#[test]
fn the_options_in_the_help_of_xargs_and_parallel_are_in_the_table() {
    check_help('x', "xargs");
    check_help('p', "parallel");
}

/// Returns the section of the page that lists all options.
fn section() -> String {
    let table = table();
    let mut text = String::new();
    for (verdict, heading) in [
        ("same", "Works the same"),
        ("differs", "Works differently"),
        ("nothing", "Accepted, and nothing to do"),
        ("refused", "Refused, with what to use instead"),
    ] {
        let _ = write!(text, "\n### {heading}\n\n| options | of | |\n|---|---|---|\n");
        for line in table.iter().filter(|line| line.verdict == verdict) {
            let spellings: Vec<String> = line.spellings.iter().map(|spelling| format!("`{spelling}`")).collect();
            let programs = match line.programs {
                "x" => "xargs",
                "p" => "parallel",
                _ => "both",
            };
            let _ = writeln!(text, "| {} | {programs} | {} |", spellings.join(", "), line.text.replace('|', "\\|"));
        }
    }
    text
}

#[test]
fn the_page_lists_the_table() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/map.md")).unwrap();
    let (_, rest) = page.split_once("\n## All options\n").unwrap();
    let (_, listed) = rest.split_once("<!-- options -->\n").unwrap();
    let (listed, _) = listed.split_once("<!-- end of options -->\n").unwrap();
    let expected = section();
    assert!(listed == format!("{expected}\n"), "the section All options of docs/map.md should be:\n{expected}\n");
}

#[test]
fn commands_are_printed_and_find_their_slot() {
    let result = run(&["map", "-t", "-c1", "--process-slot-var", "SLOT", "sh", "-c", "echo $SLOT $1", "sh"], b"a b\n");
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"0 a b\n"[..]));
    assert_eq!(result.stderr, "sh -c 'echo $SLOT $1' sh 'a b'\n");
}

#[test]
fn all_options_are_in_the_long_help() {
    let help = String::from_utf8(run(&["map", "--help", "all"], b"").stdout).unwrap();
    let short = String::from_utf8(run(&["map", "--help"], b"").stdout).unwrap();
    for option in ["--trim", "--arg-file-sep", "--process-slot-var", "--quote"] {
        assert!(help.contains(option) && !short.contains(option), "{option}");
    }
}
