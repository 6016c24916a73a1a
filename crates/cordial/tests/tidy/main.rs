//! Checks laws of this repository that the compiler cannot check. A broken law is reported with file, line and reason.
//!
//! - `laws`: texts and words that a file must not contain, file sizes, statics, documentation of `async fn`.
//! - `order`: which module may import which, and no import cycles. `imports` finds the imports.
//! - `cases`: `docs/cases.md` and the tests name each other.
//!
//! Style is left to rustfmt and clippy. A new law comes with a line in `every_law_can_be_broken`.

mod cases;
mod imports;
mod laws;
mod order;
#[path = "../repository/mod.rs"]
mod repository;

use crate::imports::Sources;
use crate::repository::files;

/// A text file: its path from the root of the repository, and its text.
type File = (String, String);

/// Everything that is broken in the files whose path begins with `within`, in the form `path:line: reason`.
fn broken(files: &[File], within: &str) -> Vec<String> {
    let mut broken: Vec<String> = files
        .iter()
        .filter(|(path, _)| path.starts_with(within))
        .flat_map(|(path, text)| laws::broken_laws(path, text))
        .collect();
    for name in [
        "cordial-sched",
        "cordial",
        "cordial-cli",
        "cordial-http",
        "cordial-isolate",
        "cordial-metrics",
        "cordial-nats",
        "cordial-observer",
    ] {
        let src = format!("crates/{name}/src/");
        if !within.is_empty() && !within.starts_with(&src) {
            continue;
        }
        let of_crate: Vec<(&str, &str)> =
            files.iter().filter_map(|(path, text)| Some((path.strip_prefix(&*src)?, &**text))).collect();
        let index = |folder: &str| {
            let is_index = |file: &str| match file.rsplit_once('/') {
                Some((in_folder, name)) => in_folder == folder && name == "mod.rs",
                None => folder.is_empty() && ["lib.rs", "main.rs"].contains(&file),
            };
            of_crate.iter().find(|(file, _)| is_index(file)).map(|(_, text)| *text)
        };
        let sources = Sources::read(of_crate.iter().copied());
        let of_order = [
            order::broken_order(name, order::ORDERS, &sources),
            order::broken_cycles(name, order::ORDERS, &sources, index),
        ]
        .concat();
        broken.extend(of_order.into_iter().map(|(file, line, reason)| format!("{src}{file}:{line}: {reason}.")));
    }
    if ["crates/cordial/tests/", "docs/"].iter().any(|folder| within.is_empty() || within.starts_with(folder)) {
        broken.extend(cases::broken_cases(files));
    }
    broken
}

#[test]
fn every_law_is_kept() {
    let files = files();
    let broken = broken(&files, "");
    assert!(broken.is_empty(), "{} broken laws:\n{}", broken.len(), broken.join("\n"));
}

/// Each line adds a text to a file of this repository, or creates the file, and must be reported.
#[test]
fn every_law_can_be_broken() {
    let files = files();
    let long = "\n".repeat(601);
    for (path, added, expected) in [
        ("crates/cordial/src/pid.rs", "use crate::exit::Exit;", "`pid` imports `exit`"),
        ("crates/cordial/src/task/wait.rs", "use crate::{pid::Pid, stream::AsyncStream};", "`task` imports `stream`"),
        ("crates/cordial/src/exit/mod.rs", "use super::process;", "`exit` imports `process`"),
        ("crates/cordial/src/supervisor/mod.rs", "fn f() { crate::testing::run(f) }", "`supervisor` imports `testing`"),
        ("crates/cordial/src/registry.rs", "", "the module `registry` is not in the order of cordial/src"),
        ("crates/cordial/src/pid.rs", "pub(crate) static COUNT: u8 = 0;", "the static `COUNT`"),
        ("crates/cordial/src/pid.rs", "fn f() {\n    static COUNT: u8 = 0;\n}", "the static `COUNT`"),
        ("crates/cordial/src/task/wait.rs", "/// Waits.\npub async fn wait() {}", "a public async fn"),
        ("crates/cordial/src/pid.rs", long.as_str(), "a file has 600 lines or fewer"),
        ("crates/cordial/src/task/mod.rs", "std::panic::catch_unwind(f)", "only unwind.rs"),
        ("crates/cordial-cli/src/map.rs", "thread::Builder::new()", "only cordial-sched starts threads"),
        ("crates/cordial/src/task/wait.rs", "use tokio::time::sleep;", "`tokio::time` is not allowed here"),
        ("crates/cordial/src/task/wait.rs", "tokio::select! {}", "tokio's macros"),
        ("crates/cordial-sched/src/pool.rs", "// no pid\nlet pid = 1;", "`pid` is not allowed here"),
        ("crates/cordial/src/pid.rs", "/// Told of its end.", "`told` is not in the vocabulary"),
        ("crates/cordial-cli/src/map/mod.rs", "enum State { WasTold }", "`told` is not in the vocabulary"),
        ("crates/cordial-cli/src/map/mod.rs", "let is_deaf = 1;", "`deaf` is not in the vocabulary"),
        (
            "crates/cordial/src/task/mod.rs",
            "pub(crate) use wait::{A,\n    Wait as B};",
            "an item is exported under its own name",
        ),
        ("crates/cordial/Cargo.toml", "[features]", "`[features]`"),
        ("crates/cordial-new/Cargo.toml", "[package]", "the lints of the workspace"),
        ("README.md", concat!("cd /wo", "rk/main"), "a path of one machine"),
        ("crates/cordial/tests/tasks/links.rs", "// X-001\n#[test]\nfn new() {}", "`X-001` is not listed"),
        ("docs/cases.md", "- **X-002** a / b / c", "`X-002` has no test"),
    ] {
        let mut changed = files.clone();
        match changed.iter_mut().find(|(name, _)| name == path) {
            Some((_, text)) => *text = format!("{text}\n{added}"),
            None => changed.push((path.to_owned(), added.to_owned())),
        }
        let new: Vec<String> = broken(&changed, path).into_iter().filter(|report| report.contains(expected)).collect();
        assert!(!new.is_empty() && new[0].starts_with(path), "{added:?} in {path} must be reported as {expected:?}");
    }
}

/// Adds an import of the last module of each table to its first module.
#[test]
fn every_order_can_be_broken() {
    let files = files();
    for order in order::ORDERS {
        let (module, import, expected) = order.forbidden_import();
        let paths = [format!("{module}.rs"), format!("{module}/mod.rs")];
        let mut changed = files.clone();
        let file = changed.iter_mut().find(|(name, _)| paths.contains(name));
        let (path, text) = file.unwrap_or_else(|| panic!("{module} has no file"));
        *text = format!("{import}\n{text}");
        let path = path.clone();
        let reports = broken(&changed, &path);
        let is_reported = reports.iter().any(|report| report.starts_with(&path) && report.contains(&expected));
        assert!(is_reported, "{import:?} in {path} must be reported as {expected:?}: {reports:?}");
    }
}
