//! Texts and words that a file must not contain, file sizes, statics, and the documentation of public `async fn`s.

/// Every static of `cordial`, by file and name, except thread-locals. Two runtimes in one OS process share no other state of this crate;
/// `ARCHITECTURE.md` lists the statics of the other crates too.
const STATICS: &[(&str, &str)] = &[
    ("process/program/os_signals/unix.rs", "PROGRAM"), // signal handlers belong to the whole program
    ("process/runtime/default.rs", "DEFAULT"),
    ("process/runtime/default.rs", "STARTER"),
    ("process/runtime/shared.rs", "NUMBERS"), // the runtime number makes a pid of one runtime unknown in another
    ("unwind/hook.rs", "INSTALLED"),          // the panic hook
];

/// Texts that must not occur at the start of a word in files whose path contains `within` and none of `except`.
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
    /// Code, except in the three lines after `EXCUSE`.
    UnexcusedCode,
}

const EXCUSE: &str = "expect(clippy::disallowed_methods";

#[rustfmt::skip]
const LAWS: &[Law] = &[
    Law { within: "crates/cordial-sched/src/", except: &["priority/linux.rs", "reservation/linux.rs", "thread/kernel_id.rs", "/thread_limit/"],
          reads: Reads::Code, words: &["Pid", "pid", "Exit::", "cordial::"],
          because: "the scheduler knows futures and keys, and nothing of the crate above it" },
    Law { within: "crates/cordial/src/", except: &[], reads: Reads::Code, words: &["tokio::select!", "tokio::join!", "tokio::try_join!"],
          because: "tokio's macros take four seconds to compile, in each program that uses the library: use `futures_util::future::select`" },
    Law { within: "crates/cordial/Cargo.toml", except: &[], reads: Reads::Code, words: &["[features]", "serde"],
          because: "the crate has no features and serializes nothing" },
    Law { within: "/src/", except: &["/unwind.rs"], reads: Reads::Code, words: &["catch_unwind"], because: "only unwind.rs catches a panic" },
    Law { within: "/src/", except: &["/cordial-sched/", "/cordial-cli/src/blocking_io/", "/cordial-cli/src/main.rs", "/cordial-observer/src/server/thread.rs", "/cordial-observer/src/program_code.rs", "/cordial-nats/src/net/", "/linux_guard.rs", "/cordial-isolate/src/pool/driver.rs", "/cordial-isolate/src/worker/serve.rs"], reads: Reads::UnexcusedCode,
          words: &["thread::spawn", "thread::Builder"],
          because: "only cordial-sched starts threads; an exception states its reason above the call" },
    Law { within: "crates/cordial/src/", except: &["/tests.rs"], reads: Reads::Code, words: &["tokio::time"],
          because: "its timers stand still while code in `tokio::spawn` blocks: use the timers of the runtime" },
    Law { within: "", except: &[], reads: Reads::Everything, words: &[concat!("/wo", "rk/"), concat!("/ro", "ot/")],
          because: "a path of one machine means nothing on another" },
];

/// Words that names, comments and messages in `crates/*/src` must not contain, with what to write instead. Upper case and the parts of
/// `snake_case` and `CamelCase` names count too.
const VOCABULARY: &[(&str, &str)] = &[
    ("tell tells told", "a process is notified, an event is emitted, a call returns, a report lists"),
    ("hear hears heard ear", "name the signal or the event, and the process that receives it"),
    ("somebody anybody nobody everybody whoever someone anyone everyone", "name the process, the thread or the caller"),
    ("stranger strangers", "another process, another runtime"),
    ("home homes knock rehomed", "a task has a header, a waker and a local reference count"),
    ("shelf shelves stock", "a free list has magazines and a depot"),
    (
        "crew seat scout hat rouse roused",
        "threads are activated, replaced, parked and unparked; a worker searches and steals",
    ),
    ("tenure", "a handle has an owner"),
    ("manners nurse roster", "a process has a shutdown state; a supervisor has children"),
    ("deaf newborn curtain audience", "say what the process, the command or the test does"),
];

const MAX_LINES: usize = 600;

/// The broken laws of one file: `path:line: reason`.
pub(crate) fn broken_laws(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let code: Vec<&str> = lines.iter().map(|line| if is_comment(line) { "" } else { line }).collect();
    let mut broken = Vec::new();
    let mut report = |line: usize, what: &str| broken.push(format!("{path}:{line}: {what}."));

    for law in LAWS.iter().filter(|l| path.contains(l.within) && !l.except.iter().any(|part| path.contains(part))) {
        for (at, line) in if law.reads == Reads::Everything { &lines } else { &code }.iter().enumerate() {
            let mut above = lines[at.saturating_sub(3)..at].iter();
            let excused = law.reads == Reads::UnexcusedCode && above.any(|line| line.contains(EXCUSE));
            for word in law.words.iter().filter(|word| !excused && begins_in(line, word)) {
                report(at + 1, &format!("`{word}` is not allowed here: {}", law.because));
            }
        }
    }
    if path.starts_with("crates/") && path.contains("/src/") {
        if lines.len() > MAX_LINES {
            report(lines.len(), &format!("a file has {MAX_LINES} lines or fewer: split it by subject"));
        }
        for (at, line) in lines.iter().enumerate() {
            // The name of a key, which belongs to crossterm.
            for word in simple_words(&line.replace("KeyCode::Home", "")) {
                let forbidden = VOCABULARY.iter().find(|(words, _)| words.split(' ').any(|other| word == other));
                if let Some((_, instead)) = forbidden {
                    report(at + 1, &format!("`{word}` is not in the vocabulary: {instead}"));
                }
            }
        }
    }
    if path.ends_with(".rs") {
        for at in renamed_exports(&code) {
            report(
                at + 1,
                "an item is exported under its own name, so that a search for the name finds its definition",
            );
        }
    }
    if path.ends_with("/Cargo.toml") && !text.contains("[lints]\nworkspace = true") {
        report(lines.len(), "the crate does not take the lints of the workspace, which forbid unsafe code");
    }
    if let Some(file) = path.strip_prefix("crates/cordial/src/").filter(|file| file.ends_with(".rs")) {
        broken_items(file, &lines, &code, &mut report);
    }
    broken
}

fn broken_items(file: &str, lines: &[&str], code: &[&str], report: &mut dyn FnMut(usize, &str)) {
    for (at, line) in code.iter().enumerate() {
        let mut above = code[..at].iter().rev().filter(|above| !above.trim().is_empty());
        let of_a_thread = above.find(|above| indent(above) < indent(line)).is_some_and(|l| l.contains("thread_local!"));
        let item = line.trim_start();
        let item = item.strip_prefix("pub(crate) ").unwrap_or(item);
        let name = item.strip_prefix("pub ").unwrap_or(item).strip_prefix("static ").map(first_word);
        if let Some(name) = name.filter(|name| !of_a_thread && !STATICS.contains(&(file, name))) {
            report(at + 1, &format!("the static `{name}` is not in STATICS: state belongs to a runtime"));
        }
        let is_head = |line: &str| ["///", "#["].iter().any(|start| line.trim_start().starts_with(start));
        let mut head = lines[..at].iter().rev().take_while(|line| is_head(line));
        if item.starts_with("pub async fn ") && !head.any(|line| line.contains("# Cancel safety")) {
            report(at + 1, "a public async fn says under `# Cancel safety` what is lost when its future is dropped");
        }
    }
}

/// Returns the indices of the lines in which a `pub use`, which may go over several lines, exports an item under another name.
/// `as _` is no name.
fn renamed_exports(code: &[&str]) -> Vec<usize> {
    let (mut renamed, mut is_export) = (Vec::new(), false);
    for (at, line) in code.iter().enumerate() {
        is_export |= begins_export(line.trim_start());
        if is_export && line.split(" as ").skip(1).any(|name| first_word(name) != "_") {
            renamed.push(at);
        }
        is_export &= !line.contains(';');
    }
    renamed
}

fn begins_export(item: &str) -> bool {
    let after = |visibility: &str| Some(item.strip_prefix(visibility)?.split_once(')')?.1);
    item.starts_with("pub use ") || after("pub(").is_some_and(|rest| rest.starts_with(" use "))
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

/// The words of a line in lower case, with the names in it split at `_` and before upper case letters.
fn simple_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().expect("there is at least one word").extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}
