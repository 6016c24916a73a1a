//! What an item has to be where the shell evaluates it, instead of taking it as a text.

/// What an item has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Number,
    /// A text that may be a part of a calculation, or become one in a variable. Shells run a command in it only as the index of an
    /// array: `a[$(id)]`. `ShellLine` checks all such texts of an item together, so `accepts` returns true for each of them.
    NoCommand,
    /// The name of a variable, or of an element of an array by its number.
    Name,
    /// The same as `Name`, or `NAME=VALUE`.
    Declaration,
    /// A text without `$`, backquotes and backslashes.
    Plain,
}

impl Check {
    /// Returns whether a text has this form. A shell might evaluate any other text: where bash expects a number or a name,
    /// the text `a[$(id)]` runs a command.
    pub(super) fn accepts(self, text: &[u8]) -> bool {
        match self {
            Check::Number => is_number(text),
            Check::NoCommand => true,
            Check::Name => is_name(text),
            Check::Plain => !text.iter().any(|byte| b"$`\\".contains(byte)),
            Check::Declaration => is_name(text.split(|&byte| byte == b'=').next().unwrap_or_default()),
        }
    }
}

/// Returns whether a text is one number, in which no shell evaluates anything. Shells refuse some of these, such as 08.
fn is_number(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (digits, is_digit): (_, fn(&u8) -> bool) =
        match digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X")) {
            Some(digits) => (digits, u8::is_ascii_hexdigit),
            None => (digits, u8::is_ascii_digit),
        };
    !digits.is_empty() && digits.iter().all(is_digit)
}

/// Returns whether a text is the name of a variable, or of an element of an array by its number.
fn is_name(text: &[u8]) -> bool {
    let (name, index) = match text.strip_suffix(b"]").and_then(|text| {
        let at = text.iter().position(|&byte| byte == b'[')?;
        Some((&text[..at], &text[at + 1..]))
    }) {
        Some((name, index)) => (name, Some(index)),
        None => (text, None),
    };
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let begins = name.first().is_some_and(|first| !first.is_ascii_digit());
    begins
        && name.iter().all(is_part)
        && index.is_none_or(|index| !index.is_empty() && index.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests;
