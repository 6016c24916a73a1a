//! The syntax around a position in a line for a shell.

/// The syntax around a position in the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// A command: the line itself, a substitution, or the text after a `((` that is not a calculation. `parentheses` and `cases`
    /// count what is open in it: a parenthesis also ends each pattern of `case`.
    Command {
        end: ContextEnd,
        /// Where the simple command at this position begins, as far as the line was read.
        start: usize,
        parentheses: u32,
        cases: u32,
        /// Whether the text begins with `((`, so that the shell may read it as a calculation.
        is_ambiguous: bool,
    },
    SingleQuotes,
    /// `$'…'`, in which a backslash escapes.
    AnsiQuotes,
    DoubleQuotes,
    /// `${…}`
    Parameter {
        part: ParameterPart,
        /// Whether the reference is inside double quotes or a here-document.
        is_quoted: bool,
    },
    Arithmetic {
        parentheses: u32,
    },
    /// A calculation in brackets: `$[…]`, and the index in `${a[…]}` and `a[…]=`.
    Brackets {
        brackets: u32,
        /// Whether the brackets have the key of an associative array: a text, and not a calculation.
        is_key: bool,
    },
    Comment,
    HereDocument(HereDocument),
}

/// How the shell reads the place of a placeholder. A reference such as `$1` replaces the placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceholderUse {
    /// As words of a command: the reference has to be in quotes.
    Words,
    /// As a part of one word, or as the file of a redirection: the reference has to be in quotes.
    OneWord,
    /// As a calculation: a quote would be an error, and the text would be evaluated.
    Arithmetic,
    /// As the key of an associative array: the shell does not split it into words.
    Key,
    /// As text of a here-document, or of double quotes.
    Text,
    /// As text of single quotes. The quotes are closed before the reference, and the text of this variant opens them again after it.
    SingleQuoted(&'static str),
}

/// The part of `${…}` at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParameterPart {
    Name,
    /// After an operator such as `:-` or `#`.
    Word,
    /// After the colon of `${x:offset:length}`: a calculation.
    Offset,
}

/// The token that ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContextEnd {
    Line,
    Parenthesis,
    Backquote,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HereDocument {
    pub(super) delimiter: Vec<u8>,
    /// Whether the shell expands what is in the text: the delimiter has no quotes.
    pub(super) is_expanded: bool,
    /// Whether tabs before the delimiter are ignored: `<<-`.
    pub(super) is_indented: bool,
}

impl HereDocument {
    /// Returns the here-document whose `<<` is before a text, and the number of bytes of the text up to the end of its delimiter.
    pub(super) fn begun_by(text: &[u8]) -> (HereDocument, usize) {
        let is_indented = text.starts_with(b"-");
        let mut at = usize::from(is_indented);
        at += text[at..].iter().take_while(|byte| b" \t".contains(byte)).count();
        let (mut delimiter, mut is_expanded, mut quote) = (Vec::new(), true, None);
        while let Some(&byte) = text.get(at) {
            match byte {
                _ if quote == Some(byte) => quote = None,
                _ if quote.is_some() => delimiter.push(byte),
                b'\'' | b'"' => (quote, is_expanded) = (Some(byte), false),
                b'\\' => is_expanded = false,
                _ if byte.is_ascii_whitespace() || b";&|()<>`".contains(&byte) => break,
                _ => delimiter.push(byte),
            }
            at += 1;
        }
        (HereDocument { delimiter, is_expanded, is_indented }, at)
    }
}

impl Context {
    /// Returns the context of a command that begins at this position of the line.
    pub(super) fn command(end: ContextEnd, start: usize) -> Context {
        Context::Command { end, start, parentheses: 0, cases: 0, is_ambiguous: false }
    }

    /// Returns whether the shell takes the text here as it is: in single quotes, or in a here-document that is not expanded.
    pub(super) fn is_literal(&self) -> bool {
        matches!(
            self,
            Context::SingleQuotes
                | Context::AnsiQuotes
                | Context::HereDocument(HereDocument { is_expanded: false, .. })
        )
    }

    /// Returns whether the text before a place ends in a `$` that begins a substitution. That of `\$` does not, nor does the second one
    /// of `$$`.
    pub(super) fn takes_dollar(&self, before: &[u8]) -> bool {
        let count = |text: &[u8], byte: u8| text.iter().rev().take_while(|other| **other == byte).count();
        let dollars = count(before, b'$');
        let backslashes = count(&before[..before.len() - dollars], b'\\');
        let is_escaped = dollars > 0 && backslashes % 2 == 1 && !self.is_literal();
        (dollars - usize::from(is_escaped)) % 2 == 1
    }

    /// Sets whether the command begins with `((`, and the shell may read it as a calculation.
    pub(super) fn ambiguous(mut self, value: bool) -> Context {
        if let Context::Command { is_ambiguous, .. } = &mut self {
            *is_ambiguous = value;
        }
        self
    }
}

/// Returns whether a simple command ends at a byte of a command. `cases` is the number of open `case` words.
pub(super) fn ends_simple_command(before: u8, byte: u8, next: u8, cases: u32) -> bool {
    match byte {
        b'&' => !b"<>".contains(&before) && next != b'>',
        b'|' => before != b'>',
        b';' | b'\n' => true,
        // An array is a part of its command.
        b'(' => before != b'=',
        // The end of a pattern of `case`, or of the name of a function.
        b')' => cases > 0 || before == b'(',
        _ => false,
    }
}

/// What `((` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Calculation,
    /// A command in parentheses.
    Command,
    /// It depends on the meaning of quotes and substitutions in the text.
    Ambiguous,
}

/// Returns what a `((` begins. `text` is the text after the `((`. A `((` begins a calculation if a `))` closes it.
pub(super) fn opening(text: &[u8]) -> Opening {
    let at = closing(text.iter().copied().enumerate());
    let Some(at) = at.filter(|_| at == closing_outside_quotes(text)) else { return Opening::Ambiguous };
    match text.get(at + 1) {
        Some(b')') => Opening::Calculation,
        // A parenthesis in a comment or a pattern of `case` is not counted by the shell.
        _ if text[..at].iter().any(|byte| b"'\"\\`$#<".contains(byte)) => Opening::Ambiguous,
        _ => Opening::Command,
    }
}

/// Returns the position of the first `)` outside quotes whose `(` is before the text. `None` if there is none, or if a quote before it is
/// not closed.
pub(super) fn closing_outside_quotes(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut bytes = text.iter().copied().enumerate();
    closing(std::iter::from_fn(|| {
        loop {
            let (at, byte) = bytes.next()?;
            match byte {
                b'\\' if quote != Some(b'\'') => drop(bytes.next()),
                _ if quote == Some(byte) => quote = None,
                b'\'' | b'"' | b'`' if quote.is_none() => quote = Some(byte),
                _ if quote.is_none() => return Some((at, byte)),
                _ => {}
            }
        }
    }))
}

/// Returns the position of the first `)` whose `(` is before these bytes.
fn closing(mut bytes: impl Iterator<Item = (usize, u8)>) -> Option<usize> {
    let mut parentheses = 0_u32;
    let found = bytes.find(|(_, byte)| {
        match byte {
            b'(' => parentheses += 1,
            b')' if parentheses == 0 => return true,
            b')' => parentheses -= 1,
            _ => {}
        }
        false
    });
    found.map(|(at, _)| at)
}
