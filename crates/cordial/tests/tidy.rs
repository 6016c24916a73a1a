//! Laws of this repository that the compiler cannot hold: tables first, then loops. A broken law is told by file, line and reason.
//!
//! Not for taste: rustfmt and clippy see to that. A new law comes with a line in `every_law_can_be_broken`.

use std::fs;
use std::path::Path;

/// The modules of `cordial`. Each may name those of earlier rows, and so nothing names the last; `lib.rs` may name all.
const LAYERS: &[&str] =
    &["pid", "exit", "backoff error unwind", "telemetry", "process", "task", "stream", "supervisor", "testing"];

/// Every static of `cordial`, by file and name, but for those of a thread: two runtimes in one OS process never meet.
const STATICS: &[(&str, &str)] = &[
    ("process/runtime/default.rs", "DEFAULT"),
    ("process/runtime/default.rs", "INSTALLING"),
    ("process/runtime/shared.rs", "NUMBERS"), // so that a pid of one runtime is unknown in another
    ("unwind.rs", "INSTALLED"),               // the panic hook
];

/// Words that may not begin anywhere in the files whose path has `within` in it, unless it has one of `except` in it too.
struct Law {
    within: &'static str,
    except: &'static [&'static str],
    reads: Reads,
    words: &'static [&'static str],
    because: &'static str,
}

#[derive(PartialEq)]
enum Reads {
    Everything,
    Code,
    /// Code, but not the three lines below `EXCUSE`.
    UnexcusedCode,
}

const EXCUSE: &str = "expect(clippy::disallowed_methods";

#[rustfmt::skip]
const LAWS: &[Law] = &[
    Law { within: "crates/cordial-sched/src/", except: &["lower/linux.rs"], reads: Reads::Code, words: &["Pid", "pid", "Exit", "cordial::"],
          because: "the scheduler knows futures and keys, and nothing of the layer above it" },
    Law { within: "crates/cordial/Cargo.toml", except: &[], reads: Reads::Code, words: &["[features]", "serde"],
          because: "the core crate has no features and serializes nothing" },
    Law { within: "/src/", except: &["/unwind.rs"], reads: Reads::Code, words: &["catch_unwind"], because: "only unwind.rs catches a panic" },
    Law { within: "/src/", except: &["/cordial-sched/", "/cordial-cli/src/launch/"], reads: Reads::UnexcusedCode,
          words: &["thread::spawn", "thread::Builder"],
          because: "only cordial-sched starts threads; an exception gives its reason above the call" },
    Law { within: "", except: &[], reads: Reads::Everything, words: &[concat!("/wo", "rk/"), concat!("/ro", "ot/")],
          because: "a path of one machine means nothing on another" },
];

const MAX_LINES: usize = 600;

fn broken_laws(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let code: Vec<&str> = lines.iter().map(|line| if is_comment(line) { "" } else { line }).collect();
    let mut broken = Vec::new();
    let mut tell = |line: usize, what: &str| broken.push(format!("{path}:{line}: {what}."));

    for law in LAWS.iter().filter(|l| path.contains(l.within) && !l.except.iter().any(|part| path.contains(part))) {
        for (at, line) in if law.reads == Reads::Everything { &lines } else { &code }.iter().enumerate() {
            let mut above = lines[at.saturating_sub(3)..at].iter();
            let excused = law.reads == Reads::UnexcusedCode && above.any(|line| line.contains(EXCUSE));
            for word in law.words.iter().filter(|word| !excused && begins_in(line, word)) {
                tell(at + 1, &format!("`{word}` may not stand here: {}", law.because));
            }
        }
    }
    if path.starts_with("crates/") && path.contains("/src/") && lines.len() > MAX_LINES {
        tell(lines.len(), &format!("a file has {MAX_LINES} lines or fewer: ask which two nouns it is, and split it"));
    }
    if path.ends_with("/Cargo.toml") && !text.contains("[lints]\nworkspace = true") {
        tell(lines.len(), "the crate does not take the lints of the workspace, which forbid unsafe code");
    }
    if let Some(file) = path.strip_prefix("crates/cordial/src/").filter(|file| file.ends_with(".rs")) {
        broken_items(file, &lines, &code, &mut tell);
        if file != "lib.rs" && !file.ends_with("/tests.rs") {
            broken_layers(first_word(file), &code, &mut tell);
        }
    }
    broken
}

fn broken_items(file: &str, lines: &[&str], code: &[&str], tell: &mut dyn FnMut(usize, &str)) {
    for (at, line) in code.iter().enumerate() {
        let mut above = code[..at].iter().rev().filter(|above| !above.trim().is_empty());
        let of_a_thread = above.find(|above| indent(above) < indent(line)).is_some_and(|l| l.contains("thread_local!"));
        let item = line.trim_start();
        let item = item.strip_prefix("pub(crate) ").unwrap_or(item);
        let name = item.strip_prefix("pub ").unwrap_or(item).strip_prefix("static ").map(first_word);
        if let Some(name) = name.filter(|name| !of_a_thread && !STATICS.contains(&(file, name))) {
            tell(at + 1, &format!("the static `{name}` is not in STATICS: state hangs off a runtime"));
        }
        let is_head = |line: &str| ["///", "#["].iter().any(|start| line.trim_start().starts_with(start));
        let mut head = lines[..at].iter().rev().take_while(|line| is_head(line));
        if item.starts_with("pub async fn ") && !head.any(|line| line.contains("# Cancel safety")) {
            tell(at + 1, "a public async fn says under `# Cancel safety` what is lost when its future is dropped");
        }
    }
}

fn broken_layers(module: &str, code: &[&str], tell: &mut dyn FnMut(usize, &str)) {
    let row_of = |name: &str| LAYERS.iter().position(|row| row.split(' ').any(|module| module == name));
    let Some(row) = row_of(module) else {
        return tell(1, &format!("the module `{module}` is not in LAYERS"));
    };
    let code = code.join("\n");
    for (line, root, name) in named(code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()) {
        match row_of(name) {
            _ if name == module => {}
            Some(other) if other < row => {}
            Some(_) => {
                tell(line, &format!("`{module}` names `{name}`, which does not stand in an earlier row of LAYERS"))
            }
            None if root == "crate::" => tell(line, &format!("`crate::{name}` hides its layer: name its module")),
            None => {}
        }
    }
}

fn is_comment(line: &str) -> bool {
    ["//", "# "].iter().any(|start| line.trim_start().starts_with(start))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

fn begins_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_word))
}

/// What follows each `crate::` and `super::`, with its line and root; of a group in braces, the first name of each path.
fn named(code: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    for (at, root) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + root.len()..];
        let mut depth = 0;
        let mut at_top = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        };
        let group = if rest.starts_with('{') {
            &rest[1..rest.find(&mut at_top).unwrap_or(rest.len())]
        } else {
            first_word(rest)
        };
        found.extend(group.split(|c| at_top(c) && c == ',').map(|path| (line, root, first_word(path.trim_start()))));
    }
    found
}

/// Every text file below the root, but for what git or cargo made.
fn read_into(files: &mut Vec<(String, String)>, root: &Path, folder: &Path) {
    for entry in fs::read_dir(folder).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        if path.ends_with(".git") || path.ends_with("bench/results") || path.join("CACHEDIR.TAG").exists() {
            continue;
        } else if path.is_dir() {
            read_into(files, root, &path);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(root).expect("it stands below the root").to_string_lossy().replace('\\', "/");
            files.push((name, text));
        }
    }
}

fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    read_into(&mut files, &root, &root);
    files
}

#[test]
fn every_law_is_kept() {
    let files = files();
    assert!(files.iter().any(|(path, _)| path == "crates/cordial/src/lib.rs"), "the repository was not found");
    let broken: Vec<String> = files.iter().flat_map(|(path, text)| broken_laws(path, text)).collect();
    assert!(broken.is_empty(), "{} broken laws:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_law_can_be_broken() {
    let long = "\n".repeat(601);
    for (path, text, told) in [
        ("crates/cordial/src/pid.rs", "use crate::exit::Exit;", ":1: `pid` names `exit`"),
        (
            "crates/cordial/src/task/wait.rs",
            "\nuse crate::{pid::Pid, stream::{Map, Window}};",
            ":2: `task` names `stream`",
        ),
        ("crates/cordial/src/exit.rs", "use super::process;", "`exit` names `process`"),
        ("crates/cordial/src/supervisor/mod.rs", "crate::testing::run(f)", "names `testing`"),
        ("crates/cordial/src/task/mod.rs", "use crate::{pid, Exit};", "`crate::Exit` hides its layer"),
        ("crates/cordial/src/registry.rs", "", "`registry` is not in LAYERS"),
        ("crates/cordial/src/pid.rs", "pub(crate) static COUNT: u8 = 0;", "the static `COUNT`"),
        ("crates/cordial/src/pid.rs", "fn f() {\n    static COUNT: u8 = 0;\n}", ":2: the static `COUNT`"),
        ("crates/cordial/src/task/wait.rs", "/// Waits.\npub async fn wait() {}", ":2: a public async fn"),
        ("crates/cordial/src/pid.rs", long.as_str(), ":601: a file has 600"),
        ("crates/cordial/src/task/mod.rs", "std::panic::catch_unwind(f)", "only unwind.rs"),
        ("crates/cordial-cli/src/map.rs", "thread::Builder::new()", "only cordial-sched starts threads"),
        ("crates/cordial-sched/src/table.rs", "// no pid\nlet pid = 1;", ":2: `pid` may not stand here"),
        ("crates/cordial/Cargo.toml", "[lints]\nworkspace = true\n[features]", "`[features]`"),
        ("crates/cordial-cli/Cargo.toml", "[package]", "the lints of the workspace"),
        ("README.md", concat!("cd /wo", "rk/main"), "a path of one machine"),
    ] {
        let broken = broken_laws(path, text);
        assert!(broken.len() == 1 && broken[0].contains(told), "{path} with {text:?} has to tell {told:?}: {broken:?}");
    }
}
