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

/// Returns the name as a member of an archive for the `tar` of this system, which may read it as a pattern.
pub(crate) fn member(name: &[u8]) -> Vec<u8> {
    let is_pattern = cfg!(any(target_os = "macos", target_os = "freebsd"));
    let escape = |&byte: &u8| if is_pattern && b"*?[\\".contains(&byte) { vec![b'\\', byte] } else { vec![byte] };
    name.iter().flat_map(escape).collect()
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
