//! `docs/cases.md` and the tests name each other: each listed case has a test that cites it, and each cited case is listed with it.
//!
//! A test cites its cases in a comment above it that begins with an id: `// T-001, T-002: a note`.

use std::collections::{BTreeMap, BTreeSet};

use crate::File;

const LIST: &str = "docs/cases.md";
const TESTS: &str = "crates/cordial/tests/";

/// For each case, the tests and the place of the first mention.
type Cases = BTreeMap<String, (String, BTreeSet<String>)>;

pub(crate) fn broken_cases(files: &[File]) -> Vec<String> {
    let (mut listed, mut cited) = (Cases::new(), Cases::new());
    for (path, text) in files {
        if path == LIST {
            read_list(text, &mut listed);
        } else if let Some(file) = path.strip_prefix(TESTS).and_then(|file| file.strip_suffix(".rs")) {
            read_tests(path, &file.replace('/', "::"), text, &mut cited);
        }
    }
    let mut broken = Vec::new();
    for (id, (place, tests)) in &cited {
        if !listed.contains_key(id) {
            broken.push(format!("{place}: `{id}` is not listed in {LIST}."));
        } else if listed[id].1 != *tests {
            broken.push(format!("{}: `{id}` is cited by {tests:?}, and listed with {:?}.", listed[id].0, listed[id].1));
        }
    }
    let without_test = listed.iter().filter(|(id, _)| !cited.contains_key(*id));
    broken.extend(without_test.map(|(id, (place, _))| format!("{place}: `{id}` has no test that cites it.")));
    broken
}

/// Reads lines such as ``- **T-001** given / when / then``, each followed by lines such as ``  - `file::test` ``.
fn read_list(text: &str, listed: &mut Cases) {
    let mut current = None;
    for (at, line) in text.lines().enumerate() {
        if let Some((id, _)) = line.strip_prefix("- **").and_then(|rest| rest.split_once("**")) {
            listed.insert(id.to_owned(), (format!("{LIST}:{}", at + 1), BTreeSet::new()));
            current = Some(id.to_owned());
        } else if let Some(test) = line.strip_prefix("  - `").and_then(|rest| rest.strip_suffix('`'))
            && let Some((_, tests)) = current.as_ref().and_then(|id| listed.get_mut(id))
        {
            tests.insert(test.to_owned());
        }
    }
}

fn read_tests(path: &str, module: &str, text: &str, cited: &mut Cases) {
    let mut ids = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix("// ").filter(|comment| comment.get(..5).is_some_and(is_id)) {
            ids.extend(words(comment).filter(|word| is_id(word)).map(|id| (id, format!("{path}:{}", at + 1))));
        } else if let Some(name) = line.strip_prefix("fn ").and_then(|rest| words(rest).next()) {
            for (id, place) in ids.drain(..) {
                let (_, tests) = cited.entry(id.to_owned()).or_insert((place, BTreeSet::new()));
                tests.insert(format!("{module}::{name}"));
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
}

/// Returns whether this is the id of a case: a letter, a dash, three digits.
fn is_id(word: &str) -> bool {
    let Some((letter, digits)) = word.split_once('-') else { return false };
    letter.len() == 1
        && letter.chars().all(|c| c.is_ascii_uppercase())
        && digits.len() == 3
        && digits.chars().all(|c| c.is_ascii_digit())
}
