//! Quotes texts so that a shell reads each as one word with the same bytes: for the joblog, for `--dry-run`, and for pasting.

use std::borrow::Cow;

/// How control characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// As escapes, for terminals.
    OneLine,
    /// As they are. Every shell reads this form.
    AnyShell,
}

impl Quoting {
    /// Returns a word that a shell reads as these bytes.
    pub(crate) fn quote(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Quoting::AnyShell if bytes.iter().any(u8::is_ascii_control) => Cow::Owned(in_quotes(bytes)),
            _ => quote(bytes),
        }
    }
}

/// Returns a word that a shell reads as these bytes.
///
/// A word with control characters takes the form `$'…'`, so that it stays on one line. bash, zsh, and every shell that
/// follows POSIX.1-2024 understand this form.
pub(crate) fn quote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+./,:=@%^".contains(byte) || *byte >= 0x80;
    // zsh replaces a word such as `=ls` by the path of that command.
    let is_empty_or_path = bytes.first().is_none_or(|first| *first == b'=');
    if !is_empty_or_path && bytes.iter().all(is_plain) {
        return Cow::Borrowed(bytes);
    }
    if !bytes.iter().any(u8::is_ascii_control) {
        return Cow::Owned(in_quotes(bytes));
    }
    let mut quoted = Vec::with_capacity(bytes.len() + 3);
    quoted.extend_from_slice(b"$'");
    for &byte in bytes {
        match byte {
            b'\n' => quoted.extend_from_slice(b"\\n"),
            b'\t' => quoted.extend_from_slice(b"\\t"),
            b'\r' => quoted.extend_from_slice(b"\\r"),
            b'\'' | b'\\' => quoted.extend_from_slice(&[b'\\', byte]),
            _ if byte.is_ascii_control() => quoted.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    Cow::Owned(quoted)
}

/// Returns the bytes in single quotes. A shell takes every byte in these quotes as it is, except a single quote, which ends them.
fn in_quotes(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(bytes.len() + 2);
    quoted.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_added_only_where_needed() {
        for (bytes, quoted) in [
            (&b"plain-1.txt"[..], &b"plain-1.txt"[..]),
            (b"", b"''"),
            (b"a b", b"'a b'"),
            (b"it's", b"'it'\\''s'"),
            (b"$(id)", b"'$(id)'"),
            (b"~", b"'~'"),
            (b"=ls", b"'=ls'"),
            (b"--name=ls", b"--name=ls"),
            (b"a\nb'\\", b"$'a\\nb\\'\\\\'"),
            (b"\x1b[", b"$'\\033['"),
            (b"\xff\xc3\xa9", b"\xff\xc3\xa9"),
        ] {
            assert_eq!(&*quote(bytes), quoted);
        }
    }

    #[test]
    fn every_shell_reads_control_characters_that_are_not_escaped() {
        for (bytes, quoted) in
            [(&b"a\tb'\n\\"[..], &b"'a\tb'\\''\n\\'"[..]), (b"a b", b"'a b'"), (b"plain", b"plain"), (b"", b"''")]
        {
            assert_eq!(&*Quoting::AnyShell.quote(bytes), quoted);
        }
    }
}
