//! Parts of a path: what `{.}`, `{/}` and their relatives stand for. Every part matches that of GNU parallel.

/// A part of a value that is a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The value, unchanged.
    Whole,
    /// `{.}`, and `{..}` and `{...}` with `--plus`: without this many extensions at the end.
    Stem(u8),
    /// `{/}`: the part after the last slash.
    Name,
    /// `{//}`: the directory, as `dirname` prints it.
    Parent,
    /// `{/.}`, and `{/..}` and `{/...}` with `--plus`: the part after the last slash, without this many extensions at the end.
    NameStem(u8),
    /// `{+/}` with `--plus`: the text before the last slash, or nothing.
    Directory,
    /// `{+.}`, `{+..}` and `{+...}` with `--plus`: this many extensions at the end, or nothing if there are fewer.
    Extensions(u8),
}

/// The text between the braces of each part.
const WRITTEN: [(&[u8], Part); 5] =
    [(b"", Part::Whole), (b".", Part::Stem(1)), (b"/", Part::Name), (b"//", Part::Parent), (b"/.", Part::NameStem(1))];

/// The text between the braces of each part that needs `--plus`.
const WRITTEN_WITH_PLUS: [(&[u8], Part); 8] = [
    (b"..", Part::Stem(2)),
    (b"...", Part::Stem(3)),
    (b"/..", Part::NameStem(2)),
    (b"/...", Part::NameStem(3)),
    (b"+/", Part::Directory),
    (b"+.", Part::Extensions(1)),
    (b"+..", Part::Extensions(2)),
    (b"+...", Part::Extensions(3)),
];

impl Part {
    /// Returns the part with this text between its braces.
    pub(super) fn written(text: &[u8], is_plus: bool) -> Option<Part> {
        let mut parts = WRITTEN.iter().chain(WRITTEN_WITH_PLUS.iter().filter(|_| is_plus));
        parts.find(|(written, _)| *written == text).map(|(_, part)| *part)
    }

    /// Returns the end of the name of a variable that holds this part.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Part::Whole => "VALUE",
            Part::Stem(1) => "STEM",
            Part::Stem(2) => "STEM2",
            Part::Stem(_) => "STEM3",
            Part::Name => "NAME",
            Part::Parent => "PARENT",
            Part::NameStem(1) => "NAME_STEM",
            Part::NameStem(2) => "NAME_STEM2",
            Part::NameStem(_) => "NAME_STEM3",
            Part::Directory => "DIRECTORY",
            Part::Extensions(1) => "EXTENSION",
            Part::Extensions(2) => "EXTENSION2",
            Part::Extensions(_) => "EXTENSION3",
        }
    }

    /// Returns this part of a value.
    pub(super) fn of(self, value: &[u8]) -> &[u8] {
        match self {
            Part::Whole => value,
            Part::Stem(number) => stem(value, number),
            Part::Name => name(value),
            Part::Parent => parent(value),
            Part::NameStem(number) => stem(name(value), number),
            Part::Directory => value.iter().rposition(|&byte| byte == b'/').map_or(b"", |at| &value[..at]),
            // As in GNU parallel, the extension of `a.b/c` is `b/c`.
            Part::Extensions(1) => value.iter().rposition(|&byte| byte == b'.').map_or(b"", |at| &value[at + 1..]),
            Part::Extensions(number) => extensions_start(value, number).map_or(b"", |at| &value[at + 1..]),
        }
    }
}

fn name(value: &[u8]) -> &[u8] {
    value.iter().rposition(|&byte| byte == b'/').map_or(value, |at| &value[at + 1..])
}

/// Returns the value without its last extensions, or unchanged if it has fewer.
fn stem(value: &[u8], number: u8) -> &[u8] {
    extensions_start(value, number).map_or(value, |at| &value[..at])
}

/// Returns the position of the dot before the last extensions, or `None` if there are fewer after the last slash.
fn extensions_start(value: &[u8], number: u8) -> Option<usize> {
    let mut end = value.len();
    for _ in 0..number {
        end = value[..end].iter().rposition(|&byte| byte == b'.' || byte == b'/').filter(|&at| value[at] == b'.')?;
    }
    Some(end)
}

/// Returns what `dirname` prints.
fn parent(value: &[u8]) -> &[u8] {
    let length_without_slashes = |text: &[u8]| text.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    let end = length_without_slashes(value);
    match value[..end].iter().rposition(|&byte| byte == b'/') {
        _ if end == 0 && !value.is_empty() => b"/",
        None => b".",
        Some(at) => match length_without_slashes(&value[..at]) {
            0 => b"/",
            end => &value[..end],
        },
    }
}
