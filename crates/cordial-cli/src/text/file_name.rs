//! Names of files that travel to and from other machines.

use std::path::is_separator;

/// Splits a name into the directory of the file and the last part, which is its name in an archive. So the names in an archive contain
/// neither a directory nor `..`, and `tar` unpacks them without the option `-P`, with which an archive could overwrite any file. If a name
/// ends with `.` or `..`, it names a directory, which is `.` in the archive.
pub(crate) fn split_last(name: &[u8]) -> (&[u8], &[u8]) {
    let end = name.iter().rposition(|&byte| !is_slash(byte)).map_or(name.len().min(1), |at| at + 1);
    let name = &name[..end];
    match name.iter().rposition(|&byte| is_slash(byte)) {
        _ if matches!(last_part(name), b"." | b"..") => (name, b"."),
        // Only `/` ends with a slash here.
        Some(0) if end == 1 => (name, b"."),
        Some(at) => (&name[..at.max(1)], &name[at + 1..]),
        None => (b".", name),
    }
}

/// Returns the last part of a name as an argument of the `tar` that packs the file. The one of BSD and macOS reads `@a` as the archive `a`,
/// and `-C` as its option, even after `--`.
pub(crate) fn packed(last: &[u8]) -> Vec<u8> {
    let start: &[u8] = if last.starts_with(b"@") || last.starts_with(b"-C") { b"./" } else { b"" };
    [start, last].concat()
}

/// Returns the name that selects what was packed under the last part of a name, for the `tar` of this system, which may read it as a pattern.
/// Without patterns, GNU `tar` reads a backslash as the start of an escape nevertheless.
pub(crate) fn member(last: &[u8]) -> Vec<u8> {
    member_for(last, cfg!(any(target_os = "macos", target_os = "freebsd")))
}

fn member_for(last: &[u8], is_pattern: bool) -> Vec<u8> {
    if is_pattern && last == b"." {
        // The pattern `.` matches nothing: `./` at the start of the names is left out.
        return b"*".to_vec();
    }
    let special: &[u8] = if is_pattern { b"*?[\\" } else { b"\\" };
    let escape = |byte: u8| if special.contains(&byte) { vec![b'\\', byte] } else { vec![byte] };
    packed(last).into_iter().flat_map(escape).collect()
}

/// Returns a name without the slashes and each `/.` at its end. Returns `None` if its last part is then empty, `.` or `..`: removing it
/// would remove the directory of the command, or one above it.
pub(crate) fn removable(mut name: &[u8]) -> Option<&[u8]> {
    loop {
        match name {
            [shorter @ .., slash] | [shorter @ .., slash, b'.'] if is_slash(*slash) => name = shorter,
            _ => break,
        }
    }
    (!matches!(last_part(name), b"" | b"." | b"..")).then_some(name)
}

fn last_part(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| is_slash(byte)).next().unwrap_or_default()
}

fn is_slash(byte: u8) -> bool {
    is_separator(byte.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_only_the_last_part_of_a_name() {
        for (name, folder, last) in [
            ("a", ".", "a"),
            ("d/a", "d", "a"),
            ("/etc/a", "/etc", "a"),
            ("/a", "/", "a"),
            ("../a", "..", "a"),
            ("d/e//", "d", "e"),
            (".", ".", "."),
            ("d/..", "d/..", "."),
            ("d/./", "d/.", "."),
            ("//", "/", "."),
            ("", ".", ""),
        ] {
            assert_eq!(split_last(name.as_bytes()), (folder.as_bytes(), last.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_member_is_what_was_packed() {
        for (last, expected, pattern) in [
            ("a", "a", "a"),
            (".", ".", "*"),
            ("@a", "./@a", "./@a"),
            ("-C", "./-C", "./-C"),
            ("-x", "-x", "-x"),
            (r"a[1]\b*?", r"a[1]\\b*?", r"a\[1]\\b\*\?"),
        ] {
            let member = |is_pattern| String::from_utf8(member_for(last.as_bytes(), is_pattern)).unwrap();
            assert_eq!((&*member(false), &*member(true)), (expected, pattern), "{last}");
        }
    }

    #[test]
    fn the_directory_of_a_command_and_those_above_it_are_not_removable() {
        for name in ["", ".", "./", "./.", "..", "d/..", "../..", "d/../", "d/../.", "/", "//", "/."] {
            assert_eq!(removable(name.as_bytes()), None, "{name}");
        }
        for (name, expected) in
            [("a", "a"), ("d/a/", "d/a"), ("d/.", "d"), ("d//././", "d"), ("...", "..."), ("a.", "a.")]
        {
            assert_eq!(removable(name.as_bytes()), Some(expected.as_bytes()), "{name}");
        }
    }
}
