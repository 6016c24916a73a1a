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
//!
//! Where the shell would evaluate an item, the item has to be a number, a name or a text without substitutions. `shell_flow`
//! finds variables that contain an item and are evaluated.

use super::placeholder::Placeholder;
use super::shell_arguments::ArgumentUse;
use super::shell_check::Check;
use super::shell_closed::Closed;
use super::shell_context::{
    Context, ContextEnd, HereDocument, Opening, ParameterPart, PlaceholderUse, ends_simple_command, opening,
};
use super::shell_flow::Flow;
use super::shell_words::{self, WordUse};
use super::syntax::Syntax;
use crate::text::display;

/// A part of a shell line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShellPiece {
    Text(Vec<u8>),
    Placeholder(Placeholder, PlaceholderUse),
}

/// A line, and what its placeholders have to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) pieces: Vec<ShellPiece>,
    pub(super) checks: Vec<(Placeholder, Check)>,
    pub(super) arguments: ArgumentUse,
}

/// Splits a line for a shell into texts and placeholders.
///
/// # Errors
///
/// A message, when a placeholder is not supported; when it is inside quotes, in a here-document that the shell does not expand, or
/// after a `((` that may begin a calculation or a command; when the shell would read its text as a list of an array; or when a line
/// with a placeholder has a quote, a parenthesis or a substitution that is not closed.
pub(super) fn scan(line: &[u8], syntax: &Syntax) -> Result<Scanned, String> {
    let mut scanner = Scanner {
        line,
        at: 0,
        contexts: vec![Context::command(ContextEnd::Line, 0)],
        closed: Closed::default(),
        documents: Vec::new(),
        tests: Vec::new(),
        keyed: shell_words::keyed(line),
        arrays: shell_words::arrays(line),
        flow: Flow::new(line),
        checks: Vec::new(),
        arguments: ArgumentUse::new(line, syntax.has_many_values()),
        pieces: Vec::new(),
        text: Vec::new(),
    };
    while scanner.at < line.len() {
        // `${}`, `${#}` and the like belong to the shell.
        let context = scanner.context();
        let may_begin = !context.takes_dollar(&line[..scanner.at]) && *context != Context::Comment;
        let found = if may_begin { syntax.parse_prefix(scanner.rest())? } else { None };
        match found {
            Some((placeholder, length)) => scanner.placeholder(placeholder, length)?,
            None => {
                scanner.note_variable();
                if !scanner.context().is_literal() {
                    scanner.arguments.note_reference(line, scanner.at);
                }
                scanner.step();
            }
        }
    }
    scanner.end_text();
    let has_placeholder = scanner.pieces.iter().any(|piece| matches!(piece, ShellPiece::Placeholder(..)));
    match scanner.context() {
        Context::Command { end: ContextEnd::Line, .. } | Context::Comment | Context::HereDocument(_) => {
            Ok(scanner.finish())
        }
        _ if !has_placeholder => Ok(scanner.finish()),
        _ => Err(format!(
            "a quote, a parenthesis or a substitution in {} is not closed, so it is not known how the shell reads the \
             placeholder: close it; or write \"$1\" for the item",
            display::quoted(line)
        )),
    }
}

struct Scanner<'l> {
    line: &'l [u8],
    at: usize,
    /// The innermost context is the last.
    contexts: Vec<Context>,
    closed: Closed,
    /// Here-documents whose text begins after the end of the current line of the script.
    documents: Vec<HereDocument>,
    /// The start of each open `[[`, and the number of contexts there.
    tests: Vec<(usize, usize)>,
    /// The associative arrays that the line declares.
    keyed: Vec<Vec<u8>>,
    /// All arrays of the line.
    arrays: Vec<Vec<u8>>,
    flow: Flow,
    checks: Vec<(Placeholder, Check)>,
    arguments: ArgumentUse,
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
                "{} is after (( in {}, which may begin a calculation or a command: for a command, write ( ( with a space; \
                 for a calculation, write )) at its end, and no parenthesis in quotes",
                String::from_utf8_lossy(&self.rest()[..length]),
                display::quoted(self.line)
            ));
        }
        let place = match self.context() {
            Context::Command { .. } if self.reading(length) == WordUse::Number => PlaceholderUse::Arithmetic,
            Context::Command { .. } if self.is_alone(length) => PlaceholderUse::Words,
            Context::Command { .. } => PlaceholderUse::OneWord,
            Context::Brackets { is_key: true, .. } => PlaceholderUse::Key,
            Context::Arithmetic { .. }
            | Context::Brackets { .. }
            | Context::Parameter { part: ParameterPart::Offset, .. } => PlaceholderUse::Arithmetic,
            Context::Parameter { is_quoted: false, .. } => PlaceholderUse::OneWord,
            Context::HereDocument(HereDocument { is_expanded: true, .. }) => PlaceholderUse::Text,
            // GNU parallel quotes what it inserts. A number needs no quotes, so it may be inside those of the line.
            Context::DoubleQuotes if placeholder.is_number() => PlaceholderUse::Text,
            Context::SingleQuotes if placeholder.is_number() => PlaceholderUse::SingleQuoted("'"),
            Context::AnsiQuotes if placeholder.is_number() => PlaceholderUse::SingleQuoted("$'"),
            Context::HereDocument(_) => {
                return Err(format!(
                    "{} is in a here-document that the shell does not expand: remove the quotes around its delimiter; or \
                     choose another placeholder with -I",
                    String::from_utf8_lossy(&self.rest()[..length]),
                ));
            }
            _ => {
                return Err(format!(
                    "{} is inside quotes in {}: remove the quotes, or end them before it and begin them again after it, since cordial \
                     quotes the item itself; or choose another placeholder with -I",
                    String::from_utf8_lossy(&self.rest()[..length]),
                    display::quoted(self.line)
                ));
            }
        };
        match self.reading(length) {
            WordUse::Text | WordUse::Command => {}
            WordUse::Number => self.checks.push((placeholder, Check::Number)),
            WordUse::Expanded => self.checks.push((placeholder, Check::Plain)),
            WordUse::Name => self.checks.push((placeholder, Check::Name)),
            WordUse::Declaration => self.checks.push((placeholder, Check::Declaration)),
            WordUse::Value(names) => self.flow.assign(names, placeholder),
            WordUse::DeclaredValue(name) => self.flow.assign(vec![name], placeholder),
            WordUse::Unknown => self.flow.calculate(),
            WordUse::Array => {
                return Err(format!(
                    "the shell evaluates {} in {} if the item begins with a parenthesis: put the placeholder in parentheses, as in x=({{}})",
                    String::from_utf8_lossy(&self.rest()[..length]),
                    display::quoted(self.line)
                ));
            }
        }
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

    /// Returns how the shell reads the word at this position. `length` is the length of the placeholder or the name here.
    fn reading(&self, length: usize) -> WordUse {
        for (n, context) in self.contexts.iter().enumerate().rev() {
            match context {
                Context::Arithmetic { .. }
                | Context::Brackets { is_key: false, .. }
                | Context::Parameter { part: ParameterPart::Offset, .. } => return WordUse::Number,
                Context::Command { start, .. } => {
                    let in_test = self.reading_in_test(n + 1, length);
                    return match in_test
                        .unwrap_or_else(|| shell_words::reading(&self.closed.command(self.line, *start, self.at)))
                    {
                        WordUse::DeclaredValue(name) if self.arrays.contains(&name) => WordUse::Array,
                        WordUse::DeclaredValue(name) => WordUse::Value(vec![name]),
                        reading => reading,
                    };
                }
                Context::AnsiQuotes | Context::Comment | Context::HereDocument(_) => break,
                Context::SingleQuotes
                | Context::DoubleQuotes
                | Context::Parameter { .. }
                | Context::Brackets { .. } => {}
            }
        }
        WordUse::Text
    }

    /// Returns how the shell reads the word at this position if it is in `[[ … ]]`: `-eq` and the like calculate.
    fn reading_in_test(&self, depth: usize, length: usize) -> Option<WordUse> {
        let &(start, _) = self.tests.iter().rfind(|(_, at)| *at == depth)?;
        let operators: [&[u8]; 6] = [b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge"];
        let (before, after) = (&self.line[start..self.at], &self.rest()[length..]);
        let is_operator = |pair: &[u8]| pair == b"&&" || pair == b"||";
        let before = &before[before.windows(2).rposition(is_operator).map_or(0, |at| at + 2)..];
        let end = after.windows(2).position(|pair| is_operator(pair) || b";\n".contains(&pair[0]));
        let after = &after[..end.unwrap_or(after.len())];
        let mut words = before.split(u8::is_ascii_whitespace).rev();
        if words.by_ref().find(|word| word.starts_with(b"-")).is_some_and(|word| word == b"-v" || word == b"-R") {
            return Some(WordUse::Name);
        }
        let mut words = [before, after].into_iter().flat_map(|part| part.split(u8::is_ascii_whitespace));
        Some(if words.any(|word| operators.contains(&word)) { WordUse::Number } else { WordUse::Text })
    }

    /// Notes a variable at this position if the shell evaluates it, as in `$((x))`, `$(($x))` or `${!x}`, or assigns its
    /// value to another variable. Also notes that the shell calculates with an argument or with an output, as in
    /// `$(($1))` and `${x:$(y)}`.
    fn note_variable(&mut self) {
        let line = self.line;
        let rest = &line[self.at..];
        let begins = match rest {
            [b'$', b'{', b'!', ..] => 3,
            [b'$', b'{', ..] => 2,
            [b'$', ..] => 1,
            _ => 0,
        };
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_$".contains(&byte);
        // In `${…}`, the name was noted at the `$`.
        let is_parameter = matches!(self.context(), Context::Parameter { part, .. } if *part != ParameterPart::Offset);
        let is_inside = begins == 0 && (is_parameter || self.before().is_some_and(is_part));
        let is_argument =
            begins > 0 && rest.get(begins).is_some_and(|byte| byte.is_ascii_digit() || b"*@".contains(byte));
        let is_evaluated = |reading: WordUse| {
            matches!(
                reading,
                WordUse::Number | WordUse::Name | WordUse::Declaration | WordUse::Array | WordUse::Unknown
            )
        };
        let is_substitution = rest.starts_with(b"$(") || rest.starts_with(b"`");
        if (is_argument || is_substitution) && is_evaluated(self.reading(begins + 1)) {
            self.flow.calculate();
        }
        let Some(length) = shell_words::name_length(&rest[begins..]).filter(|_| !is_inside) else { return };
        let (name, after) = rest[begins..].split_at(length);
        let is_list = [&b"*}"[..], b"@}", b"[@]", b"[*]"].iter().any(|list| after.starts_with(list));
        let name = name.to_vec();
        // The key of an associative array is not a number.
        let array = shell_words::quoted_array(&self.line[..self.at]);
        let is_in_index = array.is_some_and(|array| self.keyed.iter().all(|key| key != array));
        let check = match self.reading(begins + length) {
            _ if begins == 3 && is_list => return,
            _ if begins == 3 => Check::Name,
            WordUse::Expanded | WordUse::Array if begins > 0 => Check::Plain,
            WordUse::Unknown if begins > 0 => Check::NoCommand,
            WordUse::Value(names) if begins > 0 && shell_words::is_any_expanded(&names) => Check::Plain,
            // Only digits remain.
            WordUse::Number if begins == 2 && after.starts_with(b"//[^0-9]/}") => return,
            // The value that the variable had does not matter.
            WordUse::Number if begins == 0 && after.starts_with(b"=") && !after.starts_with(b"==") => return,
            WordUse::Number => Check::NoCommand,
            WordUse::Name | WordUse::Declaration if is_in_index => Check::NoCommand,
            WordUse::Name | WordUse::Declaration if begins > 0 && *self.context() != Context::SingleQuotes => {
                Check::Name
            }
            WordUse::Value(names) if begins != 2 || after.starts_with(b"}") => {
                self.flow.copy(&name, names);
                return;
            }
            _ => return,
        };
        self.flow.evaluate(name, check);
    }

    /// Returns the pieces, and the checks of their placeholders: those that the scan found, and those that `shell_flow` adds.
    fn finish(self) -> Scanned {
        let Scanner { pieces, mut checks, flow, arguments, .. } = self;
        let placeholders = pieces.iter().filter_map(|piece| match piece {
            ShellPiece::Placeholder(placeholder, _) => Some(*placeholder),
            ShellPiece::Text(_) => None,
        });
        checks.extend(flow.checks(placeholders));
        Scanned { pieces, checks, arguments }
    }

    /// Takes the next byte or token.
    fn step(&mut self) {
        let byte = self.line[self.at];
        if self.before() == Some(b'\n') && self.take_delimiter() {
            return;
        }
        match self.context() {
            Context::SingleQuotes => self.take_and(1, byte == b'\''),
            Context::Comment => {
                // The end of the line may begin a here-document, so the context around the comment takes it.
                if byte == b'\n' {
                    self.closed.leave(&mut self.contexts, self.at);
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
                b'[' if part == ParameterPart::Name => self.enter_index(self.is_keyed()),
                _ => {
                    self.end_name(part, byte);
                    self.step_expanded();
                }
            },
            &Context::Brackets { brackets, .. } => match byte {
                b']' if brackets == 0 => self.take_and(1, true),
                b'[' | b']' => {
                    let change = if byte == b'[' { 1 } else { -1 };
                    if let Some(Context::Brackets { brackets, .. }) = self.contexts.last_mut() {
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
            self.closed.leave(&mut self.contexts, self.at);
        }
    }

    fn enter(&mut self, length: usize, context: Context) {
        self.closed.enter(self.contexts.len(), self.at);
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
            self.enter(2, Context::command(ContextEnd::Parenthesis, self.at + 2).ambiguous(is_ambiguous));
        } else if rest.starts_with(b"$[") {
            self.enter(2, Context::Brackets { brackets: 0, is_key: false });
        } else if rest.starts_with(b"${") {
            let is_quoted = match self.context() {
                Context::DoubleQuotes | Context::HereDocument(_) => true,
                Context::Parameter { is_quoted, .. } => *is_quoted,
                _ => false,
            };
            self.enter(2, Context::Parameter { part: ParameterPart::Name, is_quoted });
        } else if rest.starts_with(b"`") {
            self.enter(1, Context::command(ContextEnd::Backquote, self.at + 1));
        } else {
            self.take(1 + usize::from(rest.starts_with(b"$$")));
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
        let next = self.rest().get(1).copied().unwrap_or_default();
        let is_in_list = self.closed.is_in_list(self.line, self.at, depth);
        if !is_in_list
            && ends_simple_command(self.before().unwrap_or_default(), byte, next, cases)
            && let Some(Context::Command { start, .. }) = self.contexts.last_mut()
        {
            *start = self.at + 1;
        }
        let is_change = is_word_start
            && (self.is_word(b"function") || shell_words::changes_arguments(self.rest()))
            && self.reading(0) == WordUse::Command;
        if (byte == b')' && self.before() == Some(b'(')) || (is_change && byte == b'f') {
            self.arguments.note_function(self.pieces.len());
        } else if is_change {
            self.arguments.note_change(self.pieces.len(), self.at);
        }
        if is_word_start {
            match byte {
                b'[' if self.is_word(b"[[") => self.tests.push((self.at, depth)),
                b']' if self.is_word(b"]]") => self.tests.retain(|(_, at)| *at < depth),
                _ => {}
            }
        }
        match byte {
            b'c' if is_word_start && self.is_word(b"case") && self.is_command_start() => self.take_case(4, 1),
            b'e' if is_word_start && cases > 0 && self.is_word(b"esac") => self.take_case(4, -1),
            b')' if end == ContextEnd::Parenthesis && parentheses == 0 && cases == 0 => self.take_and(1, true),
            b'`' if end == ContextEnd::Backquote => self.take_and(1, true),
            // In bash, `((` begins a calculation, also after a word such as `if`. `dash` takes it for two nested subshells;
            // those seldom contain an item.
            b'(' if self.rest().starts_with(b"((") => {
                let opening = opening(&self.rest()[2..]);
                if opening == Opening::Calculation {
                    self.enter(2, Context::Arithmetic { parentheses: 0 });
                } else {
                    let context = Context::command(ContextEnd::Parenthesis, self.at + 1);
                    self.enter(1, context.ambiguous(opening == Opening::Ambiguous));
                }
            }
            b'[' if self.begins_index() => self.enter_index(self.is_keyed() && self.is_index_assigned()),
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
            // A command that is the file of a redirection, or an argument.
            b'<' | b'>' if next == b'(' => self.enter(2, Context::command(ContextEnd::Parenthesis, self.at + 2)),
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

    /// Returns whether the index of an element of an array begins with the bracket at this position.
    fn begins_index(&self) -> bool {
        match self.reading(1) {
            WordUse::Name | WordUse::Declaration => !self.name_before().is_empty(),
            WordUse::Command => !self.name_before().is_empty() && self.is_index_assigned(),
            // In the list of an array.
            WordUse::Value(_) => self.is_index_assigned(),
            _ => false,
        }
    }

    /// Returns whether the brackets that begin here end with an assignment.
    fn is_index_assigned(&self) -> bool {
        let word = self.rest().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        word.windows(2).any(|pair| pair == b"]=" || pair == b"]+")
    }

    /// Returns the name that ends at this position.
    fn name_before(&self) -> &[u8] {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let start = self.line[..self.at].iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
        &self.line[start..self.at]
    }

    /// Returns whether the array whose index begins here is an associative one.
    fn is_keyed(&self) -> bool {
        let name = match self.reading(1) {
            WordUse::Value(names) if self.name_before().is_empty() => names.into_iter().next().unwrap_or_default(),
            _ => self.name_before().to_vec(),
        };
        self.keyed.contains(&name)
    }

    fn enter_index(&mut self, is_key: bool) {
        self.enter(1, Context::Brackets { brackets: 0, is_key });
    }

    /// Returns whether this word is here, and ends here.
    fn is_word(&self, word: &[u8]) -> bool {
        let after = self.rest().strip_prefix(word).map(<[u8]>::first);
        after.is_some_and(|next| next.is_none_or(|byte| byte.is_ascii_whitespace() || b";&|()".contains(byte)))
    }

    /// Returns whether the word that begins here is the first of a command.
    fn is_command_start(&self) -> bool {
        let before = self.line[..self.at].trim_ascii_end();
        self.line[before.len()..self.at].contains(&b'\n')
            || before.last().is_none_or(|byte| b";&|()`".contains(byte))
            || shell_words::ends_with_keyword(before)
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
        let (document, length) = HereDocument::begun_by(&self.rest()[2..]);
        self.take(2 + length);
        self.documents.push(document);
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
            self.closed.leave(&mut self.contexts, self.at);
            // The next here-document of the same line begins on the next line.
            if matches!(self.context(), Context::HereDocument(_)) {
                self.take(1);
            }
        }
        is_end
    }
}
