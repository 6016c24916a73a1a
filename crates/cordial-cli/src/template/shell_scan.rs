//! Finds the placeholders of a shell line, and how the shell reads the place of each.
//!
//! This is not a full parser of shell syntax. It follows quotes, escapes, comments, substitutions and here-documents,
//! each of which begins a context inside the one around it:
//!
//! ```text
//! echo "a $(basename {} .txt)" $(({} + 1))
//! unquoted ── " ──► double quotes ── $( ──► substitution: unquoted again, up to its )
//!          └─ $(( ──► arithmetic, up to its ))
//! ```

use super::placeholder::Placeholder;
use super::syntax::Syntax;
use crate::text::display;

/// A part of a shell line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShellPiece {
    Text(Vec<u8>),
    Placeholder(Placeholder, Place),
}

/// How the shell reads the place of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// As words of a command: the reference has to be in quotes.
    Words,
    /// As a part of one word, or as the file of a redirection: the reference has to be in quotes.
    OneWord,
    /// As a calculation: a quote would be an error, and the text would be evaluated.
    Arithmetic,
    /// As text of a here-document, in which a quote is a character.
    Text,
}

/// The syntax around a position in the line.
#[derive(Debug, PartialEq, Eq)]
enum Context {
    /// A command: the line itself, or a substitution, with the numbers of its open parentheses and of its open `case`
    /// words, whose patterns end with a parenthesis.
    Command {
        end: CommandEnd,
        parentheses: u32,
        cases: u32,
        /// Whether it begins with `((`, and the shell may read it as a calculation.
        is_ambiguous: bool,
    },
    SingleQuotes,
    /// `$'…'`, in which a backslash escapes.
    AnsiQuotes,
    DoubleQuotes,
    /// `${…}`
    Parameter {
        part: ParameterPart,
        /// Whether it is inside double quotes or a here-document.
        is_quoted: bool,
    },
    Arithmetic {
        parentheses: u32,
    },
    /// A calculation in brackets: `$[…]`, and the index in `${a[…]}`.
    Brackets {
        brackets: u32,
    },
    Comment,
    HereDocument(HereDocument),
}

/// The part of `${…}` at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParameterPart {
    Name,
    /// After an operator such as `:-` or `#`.
    Word,
    /// After the colon of `${x:offset:length}`: a calculation.
    Offset,
}

/// What ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommandEnd {
    Line,
    Parenthesis,
    Backquote,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HereDocument {
    delimiter: Vec<u8>,
    /// Whether the shell expands what is in the text: the delimiter has no quotes.
    is_expanded: bool,
    /// Whether tabs before the delimiter are ignored: `<<-`.
    is_indented: bool,
}

/// Splits a line for a shell into texts and placeholders.
///
/// # Errors
///
/// A message, when a placeholder is inside quotes, or is not supported.
pub(super) fn scan(line: &[u8], syntax: &Syntax) -> Result<Vec<ShellPiece>, String> {
    let contexts = vec![Context::command(CommandEnd::Line)];
    let mut scanner = Scanner {
        line,
        at: 0,
        contexts,
        documents: Vec::new(),
        tests: Vec::new(),
        lets: Vec::new(),
        pieces: Vec::new(),
        text: Vec::new(),
    };
    while scanner.at < line.len() {
        // `${}`, `${#}` and the like belong to the shell.
        let may_begin = scanner.before() != Some(b'$') && *scanner.context() != Context::Comment;
        let found = if may_begin { syntax.parse_prefix(scanner.rest())? } else { None };
        match found {
            Some((placeholder, length)) => scanner.placeholder(placeholder, length)?,
            None => scanner.step(),
        }
    }
    scanner.end_text();
    let has_placeholder = scanner.pieces.iter().any(|piece| matches!(piece, ShellPiece::Placeholder(..)));
    match scanner.context() {
        Context::Command { end: CommandEnd::Line, .. } | Context::Comment | Context::HereDocument(_) => {
            Ok(scanner.pieces)
        }
        _ if !has_placeholder => Ok(scanner.pieces),
        _ => Err(format!(
            "a quote, a parenthesis or a substitution in {} is not closed, so it is not known how the shell reads the \
             placeholder: close it; or write \"$1\" for the item",
            display::quoted(line)
        )),
    }
}

impl Context {
    fn command(end: CommandEnd) -> Context {
        Context::Command { end, parentheses: 0, cases: 0, is_ambiguous: false }
    }
}

struct Scanner<'l> {
    line: &'l [u8],
    at: usize,
    /// The innermost context is the last.
    contexts: Vec<Context>,
    /// Here-documents that begin after the end of the current line of the script.
    documents: Vec<HereDocument>,
    /// The start of each open `[[`, and the number of contexts there.
    tests: Vec<(usize, usize)>,
    /// The number of contexts at each `let` whose words have not ended.
    lets: Vec<usize>,
    pieces: Vec<ShellPiece>,
    text: Vec<u8>,
}

impl Scanner<'_> {
    fn rest(&self) -> &[u8] {
        &self.line[self.at..]
    }

    fn before(&self) -> Option<u8> {
        self.at.checked_sub(1).map(|before| self.line[before])
    }

    fn context(&self) -> &Context {
        self.contexts.last().unwrap_or(&Context::DoubleQuotes)
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(ShellPiece::Text(std::mem::take(&mut self.text)));
        }
    }

    /// Takes bytes as text.
    fn take(&mut self, length: usize) {
        let end = self.line.len().min(self.at + length);
        self.text.extend_from_slice(&self.line[self.at..end]);
        self.at = end;
    }

    fn placeholder(&mut self, placeholder: Placeholder, length: usize) -> Result<(), String> {
        if self.contexts.iter().any(|context| matches!(context, Context::Command { is_ambiguous: true, .. })) {
            return Err(format!(
                "{} is after (( in {}, which may begin a calculation or a command: write ( ( for a command, or a \
                 calculation without a quote or a parenthesis in quotes",
                String::from_utf8_lossy(&self.rest()[..length]),
                display::quoted(self.line)
            ));
        }
        let place = match self.context() {
            Context::Command { .. } if self.is_calculated(length) => Place::Arithmetic,
            Context::Command { .. } if self.is_alone(length) => Place::Words,
            Context::Command { .. } => Place::OneWord,
            Context::Arithmetic { .. }
            | Context::Brackets { .. }
            | Context::Parameter { part: ParameterPart::Offset, .. } => Place::Arithmetic,
            Context::Parameter { is_quoted: false, .. } => Place::OneWord,
            Context::HereDocument(HereDocument { is_expanded: true, .. }) => Place::Text,
            Context::HereDocument(_) => {
                return Err(format!(
                    "{} is in a here-document that the shell does not expand: remove the quotes around its delimiter; or \
                     choose another placeholder with -I",
                    String::from_utf8_lossy(&self.rest()[..length]),
                ));
            }
            _ => {
                return Err(format!(
                    "{} is inside quotes in {}: remove the quotes, since cordial quotes the item itself; or write \"$1\"; \
                     or choose another placeholder with -I",
                    String::from_utf8_lossy(&self.rest()[..length]),
                    display::quoted(self.line)
                ));
            }
        };
        self.end_text();
        self.pieces.push(ShellPiece::Placeholder(placeholder, place));
        self.at += length;
        Ok(())
    }

    /// Returns whether several values may become several words at this position: not beside other text, and not as the
    /// file of a redirection.
    fn is_alone(&self, length: usize) -> bool {
        let ends_word = |byte: &u8| byte.is_ascii_whitespace() || b";&|()`".contains(byte);
        let before = &self.line[..self.at];
        let last = before.iter().rfind(|byte| !byte.is_ascii_whitespace());
        before.last().is_none_or(ends_word)
            && self.rest().get(length).is_none_or(ends_word)
            && last.is_none_or(|byte| !b"<>".contains(byte))
    }

    /// Returns whether the shell calculates the word at this position of a command: after `let`, and in a test with
    /// `-eq` and the like.
    fn is_calculated(&self, length: usize) -> bool {
        let depth = self.contexts.len();
        if self.lets.contains(&depth) {
            return true;
        }
        let Some(&(start, _)) = self.tests.iter().rfind(|(_, at)| *at == depth) else { return false };
        let operators: [&[u8]; 7] = [b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-v"];
        let (before, after) = (&self.line[start..self.at], &self.rest()[length..]);
        let is_operator = |pair: &[u8]| pair == b"&&" || pair == b"||";
        let before = &before[before.windows(2).rposition(is_operator).map_or(0, |at| at + 2)..];
        let end = after.windows(2).position(|pair| is_operator(pair) || b";\n".contains(&pair[0]));
        let after = &after[..end.unwrap_or(after.len())];
        let mut words = [before, after].into_iter().flat_map(|part| part.split(u8::is_ascii_whitespace));
        words.any(|word| operators.contains(&word))
    }

    /// Takes the next byte or token.
    fn step(&mut self) {
        let byte = self.line[self.at];
        if self.is_line_start() && self.take_delimiter() {
            return;
        }
        match self.context() {
            Context::SingleQuotes => self.take_and(1, byte == b'\''),
            Context::Comment => {
                // The end of the line may begin a here-document, so the context around the comment takes it.
                if byte == b'\n' {
                    self.contexts.pop();
                } else {
                    self.take(1);
                }
            }
            _ if byte == b'\\' => self.take(2),
            Context::AnsiQuotes => self.take_and(1, byte == b'\''),
            Context::DoubleQuotes if byte == b'"' => self.take_and(1, true),
            Context::DoubleQuotes | Context::HereDocument(HereDocument { is_expanded: true, .. }) => {
                self.step_expanded()
            }
            Context::HereDocument(_) => self.take(1),
            &Context::Parameter { part, is_quoted } => match byte {
                b'}' => self.take_and(1, true),
                b'"' => self.enter(1, Context::DoubleQuotes),
                b'\'' if !is_quoted => {
                    let is_ansi = self.before() == Some(b'$');
                    self.enter(1, if is_ansi { Context::AnsiQuotes } else { Context::SingleQuotes });
                }
                b'[' if part == ParameterPart::Name => self.enter(1, Context::Brackets { brackets: 0 }),
                _ => {
                    self.end_name(part, byte);
                    self.step_expanded();
                }
            },
            &Context::Brackets { brackets } => match byte {
                b']' if brackets == 0 => self.take_and(1, true),
                b'[' | b']' => {
                    let change = if byte == b'[' { 1 } else { -1 };
                    if let Some(Context::Brackets { brackets }) = self.contexts.last_mut() {
                        *brackets = brackets.saturating_add_signed(change);
                    }
                    self.take(1);
                }
                _ => self.step_expanded(),
            },
            Context::Arithmetic { parentheses: 0 } if byte == b')' => self.take_and(2, true),
            Context::Arithmetic { .. } => self.step_arithmetic(byte),
            Context::Command { .. } => self.step_command(byte),
        }
    }

    /// Takes bytes as text, and leaves the context if they end it.
    fn take_and(&mut self, length: usize, is_end: bool) {
        self.take(length);
        if is_end {
            self.contexts.pop();
        }
    }

    fn enter(&mut self, length: usize, context: Context) {
        self.take(length);
        self.contexts.push(context);
    }

    /// Leaves the name of `${…}` if an operator begins here.
    fn end_name(&mut self, part: ParameterPart, byte: u8) {
        let is_first = self.before().is_some_and(|before| b"{!#".contains(&before));
        let is_name = byte.is_ascii_alphanumeric() || byte == b'_' || (is_first && b"!#@*?$-".contains(&byte));
        if part != ParameterPart::Name || is_name {
            return;
        }
        let is_offset = byte == b':' && self.rest().get(1).is_some_and(|next| !b"-+=?".contains(next));
        if let Some(Context::Parameter { part, .. }) = self.contexts.last_mut() {
            *part = if is_offset { ParameterPart::Offset } else { ParameterPart::Word };
        }
    }

    /// Takes a substitution if one begins here, otherwise one byte.
    fn step_expanded(&mut self) {
        let rest = self.rest();
        if rest.starts_with(b"$((") && opening(&rest[3..]) == Opening::Calculation {
            self.enter(3, Context::Arithmetic { parentheses: 0 });
        } else if rest.starts_with(b"$(") {
            let is_ambiguous = rest.starts_with(b"$((") && opening(&rest[3..]) == Opening::Ambiguous;
            let end = CommandEnd::Parenthesis;
            self.enter(2, Context::Command { end, parentheses: 0, cases: 0, is_ambiguous });
        } else if rest.starts_with(b"$[") {
            self.enter(2, Context::Brackets { brackets: 0 });
        } else if rest.starts_with(b"${") {
            let is_quoted = match self.context() {
                Context::DoubleQuotes | Context::HereDocument(_) => true,
                Context::Parameter { is_quoted, .. } => *is_quoted,
                _ => false,
            };
            self.enter(2, Context::Parameter { part: ParameterPart::Name, is_quoted });
        } else if rest.starts_with(b"`") {
            self.enter(1, Context::command(CommandEnd::Backquote));
        } else {
            self.take(1);
        }
    }

    fn step_arithmetic(&mut self, byte: u8) {
        let Some(Context::Arithmetic { parentheses }) = self.contexts.last_mut() else { return };
        match byte {
            b'(' => *parentheses += 1,
            b')' => *parentheses -= 1,
            _ => return self.step_expanded(),
        }
        self.take(1);
    }

    fn step_command(&mut self, byte: u8) {
        let is_word_start =
            self.before().is_none_or(|before| before.is_ascii_whitespace() || b";&|()`".contains(&before));
        let Some(&Context::Command { end, parentheses, cases, .. }) = self.contexts.last() else { return };
        let depth = self.contexts.len();
        if b";&|\n)`".contains(&byte) {
            self.lets.retain(|at| *at < depth);
        }
        if is_word_start {
            match byte {
                b'[' if self.is_word(b"[[") => self.tests.push((self.at, depth)),
                b']' if self.is_word(b"]]") => self.tests.retain(|(_, at)| *at < depth),
                b'l' if self.is_word(b"let") && self.is_command_start() => self.lets.push(depth),
                _ => {}
            }
        }
        match byte {
            b'c' if is_word_start && self.is_word(b"case") && self.is_command_start() => self.take_case(4, 1),
            b'e' if is_word_start && cases > 0 && self.is_word(b"esac") => self.take_case(4, -1),
            b')' if end == CommandEnd::Parenthesis && parentheses == 0 && cases == 0 => self.take_and(1, true),
            b'`' if end == CommandEnd::Backquote => self.take_and(1, true),
            // For bash, this is a calculation as well, also right after a word such as `if`; for a shell that only nests
            // subshells, it seldom contains an item.
            b'(' if self.rest().starts_with(b"((") => {
                let opening = opening(&self.rest()[2..]);
                if opening == Opening::Calculation {
                    self.enter(2, Context::Arithmetic { parentheses: 0 });
                } else {
                    let (end, is_ambiguous) = (CommandEnd::Parenthesis, opening == Opening::Ambiguous);
                    self.enter(1, Context::Command { end, parentheses: 0, cases: 0, is_ambiguous });
                }
            }
            b'(' | b')' => {
                let Some(Context::Command { parentheses, .. }) = self.contexts.last_mut() else { return };
                *parentheses = if byte == b'(' { *parentheses + 1 } else { parentheses.saturating_sub(1) };
                self.take(1);
            }
            b'\'' => {
                let is_ansi = self.before() == Some(b'$');
                self.enter(1, if is_ansi { Context::AnsiQuotes } else { Context::SingleQuotes });
            }
            b'"' => self.enter(1, Context::DoubleQuotes),
            b'#' if is_word_start => self.enter(1, Context::Comment),
            b'<' if self.rest().starts_with(b"<<<") => self.take(3),
            b'<' if self.rest().starts_with(b"<<") => self.take_redirection(),
            b'\n' if !self.documents.is_empty() => {
                self.take(1);
                // The first document is the innermost context.
                let documents = std::mem::take(&mut self.documents);
                self.contexts.extend(documents.into_iter().rev().map(Context::HereDocument));
            }
            // `${ command; }` is read like a command.
            b'$' if self.rest().starts_with(b"${ ") || self.rest().starts_with(b"${|") => self.take(3),
            _ => self.step_expanded(),
        }
    }

    /// Returns whether a word begins here and ends after these bytes.
    fn is_word(&self, word: &[u8]) -> bool {
        let after = self.rest().strip_prefix(word).map(<[u8]>::first);
        after.is_some_and(|next| next.is_none_or(|byte| byte.is_ascii_whitespace() || b";&|()".contains(byte)))
    }

    /// Returns whether the word that begins here is the first of a command.
    fn is_command_start(&self) -> bool {
        let before = self.line[..self.at].trim_ascii_end();
        let is_new_line = self.line[before.len()..self.at].contains(&b'\n');
        let keywords: [&[u8]; 10] =
            [b"then", b"do", b"else", b"if", b"elif", b"while", b"until", b"{", b"builtin", b"command"];
        is_new_line
            || before.last().is_none_or(|byte| b";&|()`!".contains(byte))
            || keywords.iter().any(|keyword| before.ends_with(keyword))
    }

    /// Takes the word that begins or ends a `case`.
    fn take_case(&mut self, length: usize, change: i32) {
        if let Some(Context::Command { cases, .. }) = self.contexts.last_mut() {
            *cases = cases.saturating_add_signed(change);
        }
        self.take(length);
    }

    /// Takes `<<` and the delimiter of a here-document.
    fn take_redirection(&mut self) {
        self.take(2);
        let is_indented = self.rest().starts_with(b"-");
        self.take(usize::from(is_indented));
        while self.rest().first().is_some_and(|byte| b" \t".contains(byte)) {
            self.take(1);
        }
        let (mut delimiter, mut is_expanded, mut quote) = (Vec::new(), true, None);
        while let Some(&byte) = self.rest().first() {
            match byte {
                _ if quote == Some(byte) => quote = None,
                _ if quote.is_some() => delimiter.push(byte),
                b'\'' | b'"' => (quote, is_expanded) = (Some(byte), false),
                b'\\' => is_expanded = false,
                _ if byte.is_ascii_whitespace() || b";&|()<>`".contains(&byte) => break,
                _ => delimiter.push(byte),
            }
            self.take(1);
        }
        self.documents.push(HereDocument { delimiter, is_expanded, is_indented });
    }

    fn is_line_start(&self) -> bool {
        self.before() == Some(b'\n')
    }

    /// Takes the line if it ends the here-document.
    fn take_delimiter(&mut self) -> bool {
        let Some(Context::HereDocument(document)) = self.contexts.last() else { return false };
        let rest = self.rest();
        let line = &rest[..rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())];
        let tabs = if document.is_indented { line.iter().take_while(|&&byte| byte == b'\t').count() } else { 0 };
        let is_end = line[tabs..] == document.delimiter[..];
        if is_end {
            let length = line.len();
            self.take(length);
            self.contexts.pop();
            // The next here-document of the same line begins on the next line.
            if matches!(self.context(), Context::HereDocument(_)) {
                self.take(1);
            }
        }
        is_end
    }
}

/// What `((` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Calculation,
    /// A command in parentheses.
    Command,
    /// It depends on the meaning of quotes and substitutions in the text.
    Ambiguous,
}

/// Returns what begins with the `((` before a text: a calculation ends with two parentheses.
fn opening(text: &[u8]) -> Opening {
    let mut parentheses = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'(' => parentheses += 1,
            b')' if parentheses == 0 => {
                return match text.get(at + 1) {
                    Some(b')') => Opening::Calculation,
                    // A parenthesis in quotes, a comment or a pattern of `case` is not counted by the shell.
                    _ if text[..at].iter().any(|byte| b"'\"\\`$#<".contains(byte)) => Opening::Ambiguous,
                    _ => Opening::Command,
                };
            }
            b')' => parentheses -= 1,
            _ => {}
        }
    }
    Opening::Ambiguous
}
