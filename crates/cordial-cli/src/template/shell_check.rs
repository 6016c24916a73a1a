//! What an item has to be where the shell evaluates it, instead of taking it as a text.

/// The form that an item has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Number,
    /// A text that may become a part of a calculation, also through a variable. In a calculation, shells run a command only in the index of
    /// an array, as in `a[$(id)]`. `ShellLine` checks all such texts of an item together, so `accepts` returns true for each of them.
    NoCommand,
    /// The name of a variable, or of an element of an array by its number. The name of a variable whose value bash evaluates is refused,
    /// because the line may assign another item to that variable.
    Name,
    /// The name of a variable, or of an element of an array by its number, or `NAME=VALUE` with a value that bash does not evaluate.
    Declaration,
    /// A text without `$`, backquotes and backslashes.
    Plain,
}

/// Variables in whose values bash performs the substitutions: `set -x` prints `PS4` before each command, and bash begins with the file that
/// `BASH_ENV` names.
pub(super) const EXPANDED: [&[u8]; 2] = [b"PS4", b"BASH_ENV"];

/// Variables that are numbers for bash, without a declaration.
pub(super) const NUMBERS: [&[u8]; 6] = [b"RANDOM", b"SRANDOM", b"SECONDS", b"OPTIND", b"HISTCMD", b"BASHPID"];

impl Check {
    /// Returns whether a text has this form. A shell might evaluate any other text: where bash expects a number or a name,
    /// the text `a[$(id)]` runs a command.
    pub(super) fn accepts(self, text: &[u8]) -> bool {
        match self {
            Check::Number => is_number(text),
            Check::NoCommand => true,
            Check::Name => is_name(text) && !is_expanded(text) && !is_calculated(text),
            Check::Plain => is_plain(text),
            Check::Declaration => is_declaration(text),
        }
    }
}

fn is_plain(text: &[u8]) -> bool {
    !text.iter().any(|byte| b"$`\\".contains(byte))
}

/// Returns whether a text is a name, or `NAME=VALUE` with a value in which bash runs no command.
fn is_declaration(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|&byte| byte == b'=') else { return is_name(text) };
    let (name, value) = (&text[..at], &text[at + 1..]);
    is_name(name)
        && match value {
            // bash looks up a word in a calculation, and calculates with the value that it finds.
            _ if is_calculated(name) => is_number(value),
            _ if is_expanded(name) => is_plain(value),
            // A list, if the variable is an array. It may calculate an index.
            [b'(', ..] => is_plain(value) && !value.contains(&b'['),
            _ => true,
        }
}

/// Returns whether bash, or a shell that the line starts, performs the substitutions in the value of this variable.
fn is_expanded(name: &[u8]) -> bool {
    let name = without_index(name);
    EXPANDED.contains(&name) || name == b"ENV"
}

/// Returns whether bash calculates with each value that is assigned to this variable.
fn is_calculated(name: &[u8]) -> bool {
    NUMBERS.contains(&without_index(name))
}

/// Returns the name of a variable without the index of an array: `PS4[0]` is `PS4`.
fn without_index(name: &[u8]) -> &[u8] {
    name.split(|&byte| byte == b'[').next().unwrap_or_default()
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
