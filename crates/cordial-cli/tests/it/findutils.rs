//! The tests of `xargs` in the source of findutils, with `cordial map` in its place. `FINDUTILS_SOURCE` names the directory of the source
//! (`apt-get source findutils`); without it, the test prints that it was skipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{run, skip};

/// Tests with another result, and why. `docs/map.md` lists each reason.
const DIFFERENT: [(&str, &[&str]); 6] = [
    (
        "without items, nothing runs, as with -r",
        &["empty", "empty_def", "empty-t", "empty_def-t", "nothing", "space", "space-t"],
    ),
    ("-E is also in effect with -0", &["E_-0"]),
    ("the order of the items is kept", &["P3-n1-IARG"]),
    (
        "items that do not fit and open quotes have status 255",
        &[
            "idef-s26",
            "idef-s26-0",
            "n2-s21-x",
            "n2-s21-x-0",
            "s14",
            "s14-0",
            "s14_2",
            "s14_2-0",
            "s42",
            "s6",
            "unmatched",
            "unmatched2",
            "unmatched-n2-x",
        ],
    ),
    ("the status is the number of failed items", &["childfail", "rc-123"]),
    (
        "a status of 255 and a signal do not stop the run, and a program that cannot run has status 255",
        &["rc-124", "rc-125", "rc-126", "rc-127"],
    ),
];

/// A test: `xargs_start p {-n2 echo} input.xi`.
struct XargsTest {
    name: String,
    status: i32,
    options: Vec<String>,
    command: Vec<String>,
    input: Vec<u8>,
    stdout: Vec<u8>,
}

/// Returns the text in the braces at the start of a text, and what follows.
fn braces(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut is_escaped) = (0, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if std::mem::take(&mut is_escaped) => {}
            '\\' => is_escaped = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[1..at], &text[at + 1..]));
        }
    }
    None
}

impl XargsTest {
    /// Reads a test. Returns `None` if the test does more than run `xargs` with one input.
    fn read(path: &Path) -> Option<XargsTest> {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("xargs_start "))?;
        let (status, rest) = line.trim().split_once(' ')?;
        let status = match status {
            "p" => 0,
            "f" => 1,
            number => number.parse().ok()?,
        };
        let (words, rest) = braces(rest.trim_start().strip_prefix('{').map(|_| rest.trim_start())?)?;
        let unquoted = |word: &str| word.trim_matches('"').replace("\\n", "\n").replace('\\', "");
        let words: Vec<String> = words.split_whitespace().map(unquoted).collect();
        let mut options = Vec::new();
        let mut words = words.into_iter().peekable();
        while let Some(option) = words.next_if(|word| word.starts_with('-')) {
            let takes_next = ["-d", "-n", "-L", "-s", "-E", "-I", "-P"].contains(&&*option);
            options.push(option);
            if takes_next {
                options.extend(words.next());
            }
        }
        let mut command: Vec<String> = words.collect();
        if command.is_empty() {
            command.push("echo".to_owned());
        }
        let mut rest = rest.split_whitespace();
        let input = match rest.next() {
            None | Some("{}") => Vec::new(),
            Some(name) => fs::read(path.parent()?.parent()?.join("inputs").join(name)).ok()?,
        };
        if rest.nth(1).is_some() {
            return None;
        }
        let stdout = fs::read(path.with_extension("xo")).unwrap_or_default();
        Some(XargsTest { name: path.file_stem()?.to_str()?.to_owned(), status, options, command, input, stdout })
    }

    /// Returns whether `cordial map` has the output and the status of `xargs`.
    fn is_same(&self) -> bool {
        let has =
            |options: &[&str]| self.options.iter().any(|option| options.iter().any(|name| option.starts_with(name)));
        let mut args = vec!["map", "-c1"];
        if !has(&["-0", "-d"]) {
            args.push("--words");
        }
        if !has(&["-n", "-L", "-l", "-I", "-i"]) {
            args.push("--xargs");
        }
        args.extend(self.options.iter().map(String::as_str));
        args.push("--");
        args.extend(self.command.iter().map(String::as_str));
        let result = run(&args, &self.input);
        result.status == self.status && result.stdout == self.stdout
    }
}

#[test]
fn the_tests_of_findutils_have_the_same_result_or_a_listed_difference() {
    let Some(source) = std::env::var_os("FINDUTILS_SOURCE").map(PathBuf::from) else {
        return skip("FINDUTILS_SOURCE does not name the source of findutils");
    };
    let mut different: BTreeMap<&str, &str> = BTreeMap::new();
    for (reason, names) in DIFFERENT {
        different.extend(names.iter().map(|name| (*name, reason)));
    }
    let (mut n_run, mut unexpected) = (0, Vec::new());
    for suite in ["xargs.gnu", "xargs.posix", "xargs.sysv"] {
        for entry in fs::read_dir(source.join("xargs/testsuite").join(suite)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "exp") {
                continue;
            }
            let Some(test) = XargsTest::read(&path) else { continue };
            n_run += 1;
            if test.is_same() == different.contains_key(&*test.name) {
                unexpected.push(format!("{suite}/{} {:?} {:?}", test.name, test.options, test.command));
            }
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(n_run > 80, "{n_run}");
}
