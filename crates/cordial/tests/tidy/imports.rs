//! Finds the imports between the source files of a crate. Works on text, without a Rust parser.
//!
//! Finds `crate::…`, `super::…` and `self::…`, in `use` statements with `{}` groups and in inline
//! paths, and paths that begin with a module that the file declares or imports. A name that an
//! index re-exports counts as an import of the file that defines it. The re-export itself is not an
//! import. Names that a macro or a glob import brings in are not found.

use std::collections::{BTreeMap, BTreeSet};

/// The path of a module from the root of its crate: `["process", "links"]`.
type ModulePath = Vec<String>;

/// The source files of one crate, without its tests.
pub(crate) struct Sources {
    files: BTreeMap<ModulePath, Source>,
}

struct Source {
    /// The path below `src`, for example `process/links.rs`.
    file: String,
    is_index: bool,
    paths: Vec<FoundPath>,
    /// Names that this file re-exports, with what they refer to.
    reexports: BTreeMap<String, ModulePath>,
}

/// A path in the code of a file, resolved to the root of the crate.
struct FoundPath {
    line: usize,
    segments: ModulePath,
    is_reexport: bool,
}

/// The file `from` uses an item that is defined in the file `to`.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) line: usize,
    pub(crate) to: String,
}

impl Sources {
    /// Reads the files of a crate: pairs of the path below `src` and the text.
    pub(crate) fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Sources {
        let files: Vec<_> = files.into_iter().filter(|(file, _)| is_source(file)).collect();
        let modules: BTreeSet<ModulePath> = files.iter().map(|(file, _)| module_of(file)).collect();
        let files = files.iter().map(|(file, text)| (module_of(file), Source::read(file, text, &modules))).collect();
        Sources { files }
    }

    /// Every file, as its path below `src`.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.values().map(|source| &*source.file)
    }

    /// Returns whether a file is `lib.rs`, `main.rs` or a `mod.rs`.
    pub(crate) fn is_index(&self, file: &str) -> bool {
        self.files.get(&module_of(file)).is_some_and(|source| source.is_index)
    }

    /// All imports between different files of the crate.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (module, source) in &self.files {
            for path in source.paths.iter().filter(|path| !path.is_reexport) {
                let to = self.definition(&path.segments, 0);
                if to != module {
                    let to = self.files[to].file.clone();
                    imports.push(Import { from: source.file.clone(), line: path.line, to });
                }
            }
        }
        imports
    }

    /// The module whose file defines the item at the end of a path. `depth` bounds re-exports of re-exports.
    fn definition<'a>(&'a self, path: &[String], depth: usize) -> &'a ModulePath {
        let n_modules =
            (0..=path.len()).rev().find(|n| self.files.contains_key(&path[..*n])).expect("the root is a file");
        let (module, source) = self.files.get_key_value(&path[..n_modules]).expect("it was just found");
        match path.get(n_modules).and_then(|name| source.reexports.get(name)) {
            Some(target) if depth < 8 => {
                let path: ModulePath = target.iter().chain(&path[n_modules + 1..]).cloned().collect();
                self.definition(&path, depth + 1)
            }
            _ => module,
        }
    }
}

impl Source {
    fn read(file: &str, text: &str, modules: &BTreeSet<ModulePath>) -> Source {
        let module = module_of(file);
        let code = code_of(text);
        let code = code.split("\nmod tests {").next().unwrap_or_default();
        let mut paths = Vec::new();
        for (root, prefix) in [("crate", Vec::new()), ("self", module.clone()), ("super", parent(&module))] {
            find_paths(code, root, &prefix, &mut paths);
        }
        let reexports = paths.iter().filter(|(path, _)| path.is_reexport);
        let mut reexports: BTreeMap<_, _> =
            reexports.map(|(path, name)| (name.clone(), path.segments.clone())).collect();
        // Modules that can begin a path here: those that the file declares, and those that it imports.
        let declared = modules.iter().filter(|other| other.len() == module.len() + 1 && other.starts_with(&module));
        let declared = declared.map(|child| (child[child.len() - 1].clone(), child.clone()));
        let imported = paths.iter().filter(|(path, _)| modules.contains(&path.segments));
        let imported = imported.map(|(path, name)| (name.clone(), path.segments.clone()));
        let local: BTreeMap<String, ModulePath> = declared.chain(imported).collect();
        for (name, target) in &local {
            let before = paths.len();
            find_paths(code, name, target, &mut paths);
            let found = paths[before..].iter().filter(|(path, _)| path.is_reexport);
            reexports.extend(found.map(|(path, name)| (name.clone(), path.segments.clone())).collect::<Vec<_>>());
        }
        let paths = paths.into_iter().map(|(path, _)| path).collect();
        Source { file: file.to_owned(), is_index: is_index(file), paths, reexports }
    }
}

fn is_source(file: &str) -> bool {
    file.ends_with(".rs") && !file.ends_with("/tests.rs") && !file.contains("/tests/")
}

fn is_index(file: &str) -> bool {
    ["lib.rs", "main.rs", "mod.rs"].contains(&file.rsplit('/').next().unwrap_or(file))
}

fn module_of(file: &str) -> ModulePath {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = if is_index(file) { path.rsplit_once('/').map_or("", |(folder, _)| folder) } else { path };
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn parent(module: &[String]) -> ModulePath {
    module[..module.len().saturating_sub(1)].to_vec()
}

/// Appends all paths that begin with `root::`, each with the last name that it brings into scope.
fn find_paths(code: &str, root: &str, prefix: &[String], found: &mut Vec<(FoundPath, String)>) {
    for (at, _) in code.match_indices(root) {
        let (before, rest) = (&code[..at], &code[at + root.len()..]);
        if before.ends_with(|c: char| is_word(c) || c == ':' || c == '$' || c == '.') || !rest.starts_with("::") {
            continue;
        }
        let mut prefix = prefix.to_vec();
        let mut rest = &rest[2..];
        while root == "super" && rest.starts_with("super::") {
            prefix = parent(&prefix);
            rest = &rest["super::".len()..];
        }
        if before.ends_with("pub(in ") {
            continue; // a visibility
        }
        let statement = before.rsplit([';', '{', '}']).next().unwrap_or_default();
        let visibility = statement.trim_end().strip_suffix("use").map(str::trim_end);
        let is_reexport = visibility.is_some_and(|v| v.ends_with("pub") || (v.ends_with(')') && v.contains("pub(")));
        if !is_root(root) && is_in_use_group(before) {
            continue; // read already, with the path before the group
        }
        let line = before.matches('\n').count() + 1;
        let mut leaves = Vec::new();
        read_tree(rest, &prefix, line, &mut leaves);
        found
            .extend(leaves.into_iter().map(|(segments, name, line)| (FoundPath { line, segments, is_reexport }, name)));
    }
}

fn is_root(name: &str) -> bool {
    ["crate", "self", "super"].contains(&name)
}

/// Returns whether a text ends inside of the `{}` of a `use` statement.
fn is_in_use_group(before: &str) -> bool {
    let statement = before.rsplit(';').next().unwrap_or_default();
    let uses = statement.match_indices("use ").filter(|(at, _)| !statement[..*at].ends_with(is_word));
    uses.last().is_some_and(|(at, found)| statement[at + found.len()..].contains('{'))
}

/// Reads the rest of a path, with its groups. Appends each path with its name and its line. Returns what follows it.
fn read_tree<'a>(
    text: &'a str,
    prefix: &[String],
    line: usize,
    leaves: &mut Vec<(ModulePath, String, usize)>,
) -> &'a str {
    let trimmed = text.trim_start();
    let line = line + text[..text.len() - trimmed.len()].matches('\n').count();
    let text = trimmed;
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut line = line;
        loop {
            let start = rest;
            rest = rest.trim_start_matches([',', ' ', '\n']);
            line += start[..start.len() - rest.len()].matches('\n').count();
            if rest.is_empty() || rest.starts_with('}') {
                return rest.strip_prefix('}').unwrap_or(rest);
            }
            let start = rest;
            rest = read_tree(rest, prefix, line, leaves);
            if rest.len() == start.len() {
                return rest; // not a `use` tree
            }
            line += start[..start.len() - rest.len()].matches('\n').count();
        }
    }
    let name = &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())];
    let rest = &text[name.len()..];
    if name.is_empty() {
        // A glob, or the end of a path such as `Type::<T>`.
        let last = prefix.last().cloned().unwrap_or_default();
        leaves.push((prefix.to_vec(), last, line));
        return rest.strip_prefix('*').unwrap_or(rest);
    }
    let mut path = prefix.to_vec();
    if name != "self" {
        path.push(name.to_owned());
    }
    if let Some(deeper) = rest.strip_prefix("::").filter(|deeper| !deeper.starts_with('<')) {
        return read_tree(deeper, &path, line, leaves);
    }
    let alias = rest.trim_start().strip_prefix("as ").map(str::trim_start);
    let rest = alias.map_or(rest, |alias| &alias[alias.find(|c| !is_word(c)).unwrap_or(alias.len())..]);
    let name = alias.map_or(path.last().cloned().unwrap_or_default(), |alias| {
        alias.split(|c| !is_word(c)).next().unwrap_or_default().to_owned()
    });
    leaves.push((path, name, line));
    rest
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text without comments and without the contents of string literals. Line breaks stay.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let n_skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_len(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.extend(rest[..n_skipped].matches('\n'));
        rest = &rest[n_skipped..];
    }
    code
}

fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn all_ways_to_import_are_found() {
    let text = r#"
        //! See crate::not_this.
        use crate::{a::{self, b::C}, d::E as F};
        use super::{g, h::I};
        pub use self::j::K;
        pub(in crate::o) fn f() -> crate::l::M { let s = "crate::not_this::either"; g::n(crate::o::p::<u8>()) }
    "#;
    let empty = [
        "a/mod.rs",
        "a/b.rs",
        "d.rs",
        "x/mod.rs",
        "x/g.rs",
        "x/h.rs",
        "x/y/mod.rs",
        "x/y/j.rs",
        "l.rs",
        "o.rs",
        "lib.rs",
    ];
    let files = empty.into_iter().map(|file| (file, if file == "x/y/mod.rs" { text } else { "" }));
    let imports = Sources::read(files).imports();
    let found: Vec<(usize, &str)> = imports.iter().map(|import| (import.line, &*import.to)).collect();
    let expected = [
        (3, "a/mod.rs"),
        (3, "a/b.rs"),
        (3, "d.rs"),
        (6, "l.rs"),
        (6, "o.rs"),
        (4, "x/g.rs"),
        (4, "x/h.rs"),
        (6, "x/g.rs"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_import_of_a_reexported_name_is_an_import_of_its_file() {
    let files = [
        ("lib.rs", "pub use a::B;"),
        ("a/mod.rs", "mod b;\nmod c;\n#[doc(hidden)]\npub(crate) use b::B;\npub(crate) use self::c::*;"),
        ("a/b.rs", ""),
        ("a/c.rs", ""),
        ("d.rs", "use crate::B;\nuse crate::a::B as Other;"),
    ];
    let imports = Sources::read(files).imports();
    let found: Vec<(&str, usize, &str)> =
        imports.iter().map(|import| (&*import.from, import.line, &*import.to)).collect();
    assert_eq!(found, [("d.rs", 1, "a/b.rs"), ("d.rs", 2, "a/b.rs")]);
}
