//! Checks the Markdown pages of this repository: their programs are compiled, and their links and file names lead to files.

mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// A code span that ends like this is the name of a file.
const ENDINGS: &[&str] = &[".rs", ".md", ".toml"];

/// What a fenced block of a page may be marked with. Blocks of Rust are compiled.
const FENCES: &[&str] = &["rust", "rust,no_run", "sh", "text", "toml"];

/// A file name in a page that starts with this word is an example.
const EXAMPLE: &str = "foo";

#[test]
fn the_readme_starts_with_the_hello_example() {
    let files = files();
    let hello = files[Path::new("crates/cordial/examples/hello.rs")].split_inclusive('\n');
    let hello: String = hello.filter(|line| !line.starts_with("#![")).collect();
    let readme = &files[Path::new("README.md")];
    let program = *rust_programs(readme).first().expect("README.md has a program");
    assert_eq!(program, hello, "README.md and hello.rs differ");
    let before = readme.split("```rust").next().expect("a split yields at least one part");
    let last_line = before.lines().count() + program.lines().count() + 2;
    assert!(last_line <= 30, "the program in README.md ends on line {last_line}; it has to end by line 30");
}

#[test]
fn every_program_in_a_page_is_compiled() {
    let files = files();
    let included: Vec<PathBuf> = files.iter().flat_map(|(path, text)| included_pages(path, text)).collect();
    let forgotten: Vec<&Path> = pages(&files)
        .filter(|(path, page)| page.contains("```rust") && !included.iter().any(|included| included == path))
        .map(|(path, _)| path)
        .collect();
    assert!(forgotten.is_empty(), "no `doc = include_str!(…)` makes a documentation test of {forgotten:?}");
}

/// A fence that rustdoc does not compile has to say what it is. So no program is left out by a wrong or a missing mark.
#[test]
fn every_block_of_a_page_is_compiled_or_is_no_rust() {
    let files = files();
    let wrong: Vec<String> = pages(&files)
        .flat_map(|(path, page)| {
            wrong_fences(page).into_iter().map(move |fence| format!("{}: {fence}", path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "mark these blocks with {FENCES:?}, without options:\n{}", wrong.join("\n"));
}

#[test]
fn every_link_and_file_name_in_a_page_leads_to_a_file() {
    let files = files();
    let broken: Vec<String> = pages(&files).flat_map(|(path, page)| broken_names(&files, path, page)).collect();
    assert!(broken.is_empty(), "{} broken names:\n{}", broken.len(), broken.join("\n"));
}

/// ARCHITECTURE.md lists the statics and thread-locals of the libraries, with reasons. Keys of inherited values hold no state.
#[test]
fn the_table_of_statics_is_complete() {
    let files = files();
    let listed = listed_statics(&files[Path::new("ARCHITECTURE.md")]);
    let found: BTreeSet<String> = files.iter().flat_map(|(path, text)| statics(path, text)).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(missing.is_empty() && gone.is_empty(), "ARCHITECTURE.md does not list {missing:?}, and lists {gone:?}");
}

#[test]
fn broken_pages_are_found() {
    let files = BTreeMap::from([
        (PathBuf::from("docs/page.md"), String::new()),
        (PathBuf::from("src/task/wait.rs"), String::new()),
    ]);
    let broken = |text| broken_names(&files, Path::new("docs/page.md"), text);
    assert_eq!(broken("[a](page.md) [b](../src/task) `task/wait.rs` `wait.rs` `foo.rs` [c](https://docs.rs)").len(), 0);
    assert_eq!(broken("```sh\ncat gone.rs\n```\n`a b.rs` `*.rs`").len(), 0);
    assert_eq!(broken("[a](gone.md)"), ["docs/page.md: nothing at gone.md"]);
    assert_eq!(broken("text\n`ait.rs`"), ["docs/page.md: no file ait.rs"]);
    assert_eq!(rust_programs("```rust\na\n```\n```sh\nb\n```\n```rust\nc\n```\n"), ["a\n", "c\n"]);
    assert_eq!(wrong_fences("```rust\n    a\n```\ntext\n    more\n- a\n  ```sh\n  b\n  ```\n").len(), 0);
    for fence in
        ["```\nfn main() {}\n```", "```rust,ignore\nx\n```", "~~~rust", "```rs\nx\n```", "a\n\n    fn main() {}"]
    {
        assert_eq!(wrong_fences(fence).len(), 1, "{fence}");
    }
    let source = "thread_local!(static A: u8 = 0);\nfn f() {\n    static B: u8 = 0;\n}\n// static C: u8\nstatic D: Inherited<u8> =";
    let found = ["cordial b.rs A".to_owned(), "cordial b.rs B".to_owned()];
    assert_eq!(statics(Path::new("crates/cordial/src/b.rs"), source), found);
    assert_eq!(listed_statics("| `cordial` | `b.rs` | `A` | thread | why |"), BTreeSet::from([found[0].clone()]));
    let doc_test = concat!("#[doc = include", r#"_str!("../../README.md")]"#);
    assert_eq!(included_pages(Path::new("a/src/lib.rs"), doc_test), [PathBuf::from("README.md")]);
}

fn pages(files: &BTreeMap<PathBuf, String>) -> impl Iterator<Item = (&Path, &str)> {
    let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    files.iter().filter(move |(path, _)| is_page(path)).map(|(path, text)| (path.as_path(), text.as_str()))
}

/// Returns the contents of the fenced blocks that are marked as Rust.
fn rust_programs(page: &str) -> Vec<&str> {
    page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Returns the lines that begin a fenced block without one of the marks, or that fence with other characters. Rustdoc would
/// also compile a block that is indented by four blanks, so such a line is returned too.
fn wrong_fences(page: &str) -> Vec<String> {
    let mut is_inside = false;
    let mut wrong = Vec::new();
    let mut is_after_blank = true;
    for line in page.lines() {
        let fence = line.trim_start().strip_prefix("```");
        let is_right = match fence {
            Some(mark) => is_inside == mark.is_empty() && (is_inside || FENCES.contains(&mark)),
            None => is_inside || !(line.trim_start().starts_with("~~~") || is_after_blank && line.starts_with("    ")),
        };
        if !is_right {
            wrong.push(line.to_owned());
        }
        is_inside ^= fence.is_some();
        is_after_blank = line.trim().is_empty();
    }
    wrong
}

/// Returns the pages that a source file includes into its documentation.
fn included_pages(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let targets = text.split("doc = include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next());
    targets.map(|target| normalized(&folder.join(target))).collect()
}

fn broken_names(files: &BTreeMap<PathBuf, String>, path: &Path, page: &str) -> Vec<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    // Every second part is inside a fenced block.
    let prose: String = page.split("```").step_by(2).collect();
    let mut broken = Vec::new();
    for target in prose.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        let file = normalized(&folder.join(target));
        // `files` has no pictures but those in `docs/images`.
        let is_picture =
            target.ends_with(".png") && Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&file).is_file();
        let is_there = is_picture || files.keys().any(|path| path.starts_with(&file));
        if !target.is_empty() && !target.contains("://") && !is_there {
            broken.push(format!("{}: nothing at {target}", path.display()));
        }
    }
    // Every second part is a code span.
    for name in prose.split('`').skip(1).step_by(2) {
        let is_file = ENDINGS.iter().any(|ending| name.ends_with(ending) && name != *ending);
        let is_plain = !name.contains([' ', '*']) && !name.starts_with(EXAMPLE);
        if is_file && is_plain && !files.keys().any(|path| path.ends_with(name)) {
            broken.push(format!("{}: no file {name}", path.display()));
        }
    }
    broken
}

/// Returns crate, file and name of each static and thread-local in a source file of the libraries.
fn statics(path: &Path, text: &str) -> Vec<String> {
    let path = path.to_string_lossy().replace('\\', "/");
    let Some((library, file)) = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/")) else {
        return Vec::new();
    };
    if library == "cordial-cli" || file.ends_with("tests.rs") {
        return Vec::new();
    }
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//") && !line.contains(": Inherited<"));
    let names = code.flat_map(|line| line.split("static ").skip(1)).filter_map(|rest| rest.split_once(':'));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    names.map(|(name, _)| name).filter(|name| is_name(name)).map(|name| format!("{library} {file} {name}")).collect()
}

fn listed_statics(page: &str) -> BTreeSet<String> {
    let rows = page.lines().map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>());
    rows.filter(|cells| cells.len() == 7 && cells[1].starts_with("cordial"))
        .map(|cells| format!("{} {} {}", cells[1], cells[2], cells[3]))
        .collect()
}

/// Resolves `..` without asking the file system.
fn normalized(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normalized.pop()),
            other => normalized.push(other),
        }
    }
    normalized
}

/// The files of the repository, by path from its root. A picture is a file without text.
fn files() -> BTreeMap<PathBuf, String> {
    let mut files: BTreeMap<PathBuf, String> =
        repository::files().into_iter().map(|(path, text)| (path.into(), text)).collect();
    let pictures = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/images"))
        .expect("the folder of pictures is readable");
    files.extend(pictures.map(|picture| {
        (Path::new("docs/images").join(picture.expect("its entries are readable").file_name()), String::new())
    }));
    files
}
