//! Where a line for a shell refers to its arguments, and where it changes them.

use std::ops::Range;

/// The beginnings of references to the first argument, or to all arguments.
const REFERENCES: [&[u8]; 6] = [b"$1", b"$@", b"$*", b"${1", b"${@", b"${*"];

/// The places where a line refers to its arguments or changes them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ArgumentUse {
    /// Whether an item may have several values, so that `$2` is one of them.
    has_many_values: bool,
    /// The positions of the references that the shell expands, and of those in comments: `date # $1` says that the line needs no
    /// item.
    references: Vec<usize>,
    /// The positions of the commands `set` and `shift` that change the arguments.
    changes: Vec<usize>,
    /// The index of the first piece in or after which `$1` may not be the item: a function has arguments of its own, and `set`
    /// and `shift` change those of the line.
    change_at: Option<usize>,
}

impl ArgumentUse {
    /// Returns the places of a line that are known before it is scanned.
    pub(super) fn new(line: &[u8], has_many_values: bool) -> ArgumentUse {
        // These commands read a text in quotes as a line of the same shell.
        let mut words = line.split(|byte| byte.is_ascii_whitespace() || b";&|()".contains(byte));
        let evaluates_text = words.any(|word| word == b"eval" || word == b"trap");
        let positions = 0..if evaluates_text { line.len() } else { 0 };
        let references = positions.filter(|&at| is_reference(&line[at..], has_many_values)).collect();
        ArgumentUse { has_many_values, references, ..ArgumentUse::default() }
    }

    /// Notes a reference, if one is at this position.
    pub(super) fn note_reference(&mut self, line: &[u8], at: usize) {
        if is_reference(&line[at..], self.has_many_values) {
            self.references.push(at);
        }
    }

    /// Notes the definition of a function.
    pub(super) fn note_function(&mut self, piece: usize) {
        self.change_at.get_or_insert(piece);
    }

    /// Notes a command that changes the arguments.
    pub(super) fn note_change(&mut self, piece: usize, at: usize) {
        self.change_at.get_or_insert(piece);
        self.changes.push(at);
    }

    /// Returns the index of the first piece in or after which `$1` may not be the item.
    pub(super) fn change_at(&self) -> Option<usize> {
        self.change_at
    }

    /// Returns whether the line refers to a value of the item, or to all of its arguments. References in the body of a function do not
    /// count: they mean the arguments of the function.
    pub(super) fn refers(&self, line: &[u8]) -> bool {
        is_any_outside(&self.references, &function_bodies(line))
    }

    /// Returns whether the line changes its arguments. Changes in the body of a function do not count: they change the arguments
    /// of the function.
    pub(super) fn changes(&self, line: &[u8]) -> bool {
        is_any_outside(&self.changes, &function_bodies(line))
    }
}

fn is_reference(text: &[u8], has_many_values: bool) -> bool {
    let is_later = |text: &[u8]| {
        let number = text.strip_prefix(b"${").or_else(|| text.strip_prefix(b"$"));
        number.and_then(<[u8]>::first).is_some_and(|digit| (b'2'..=b'9').contains(digit))
    };
    REFERENCES.iter().any(|reference| text.starts_with(reference)) || (has_many_values && is_later(text))
}

fn is_any_outside(positions: &[usize], bodies: &[Range<usize>]) -> bool {
    positions.iter().any(|at| !bodies.iter().any(|body| body.contains(at)))
}

/// Returns the bodies of the functions of a line, as far as they are between braces or parentheses.
fn function_bodies(line: &[u8]) -> Vec<Range<usize>> {
    let (mut bodies, mut at) = (Vec::new(), 0);
    while let Some(end) = next_head(line, at) {
        let start = skip_blanks(line, end);
        at = end;
        if let Some(b'{' | b'(') = line.get(start) {
            at = end_of_body(line, start);
            bodies.push(start..at);
        }
    }
    bodies
}

/// Returns the position of the bracket that closes the one at `start`. Those in quotes and comments do not count, unless a quote is not closed:
/// then it was none, as in a here-document.
fn end_of_body(line: &[u8], start: usize) -> usize {
    closing_bracket(line, start, true).or_else(|| closing_bracket(line, start, false)).unwrap_or(line.len())
}

fn closing_bracket(line: &[u8], start: usize, has_quotes: bool) -> Option<usize> {
    let (opening, closing) = if line[start] == b'{' { (b'{', b'}') } else { (b'(', b')') };
    let (mut depth, mut quote, mut at) = (0_u32, None, start);
    while let Some(&byte) = line.get(at) {
        match byte {
            _ if !has_quotes && !b"{}()".contains(&byte) => {}
            b'\\' if quote != Some(b'\'') => at += 1,
            _ if quote == Some(byte) => quote = None,
            _ if quote.is_some() => {}
            b'\'' | b'"' => quote = Some(byte),
            b'#' if line[at - 1].is_ascii_whitespace() || line[at - 1] == b';' => {
                at += line[at..].iter().position(|&byte| byte == b'\n')?;
            }
            _ if byte == opening => depth += 1,
            _ if byte == closing => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Returns the end of the next `f()`, or of the next `function f` at the start of a command.
fn next_head(line: &[u8], from: usize) -> Option<usize> {
    const WORD: &[u8] = b"function ";
    let begins_command =
        |at: usize| line[..at].iter().rfind(|byte| !b" \t".contains(byte)).is_none_or(|byte| b";&|({\n".contains(byte));
    let at = (from..line.len()).find(|&at| line[at..].starts_with(WORD) && begins_command(at));
    let after_word = at.map(|at| {
        let name = skip_blanks(line, at + WORD.len());
        let ends_name = |byte: &u8| byte.is_ascii_whitespace() || b"(){;".contains(byte);
        let end = line[name..].iter().position(ends_name).map_or(line.len(), |length| name + length);
        if line[end..].starts_with(b"()") { end + 2 } else { end }
    });
    // `a=()` is an empty array.
    let follows_name = |at: &usize| {
        let before = line[..*at].trim_ascii_end().last();
        before.is_some_and(|byte| !b"=+;&|(){}$".contains(byte))
    };
    let mut parentheses = (from..line.len()).filter(|&at| line[at..].starts_with(b"()"));
    let after_parentheses = parentheses.find(follows_name).map(|at| at + 2);
    after_parentheses.into_iter().chain(after_word).min()
}

fn skip_blanks(line: &[u8], from: usize) -> usize {
    line.len().min(from + line[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count())
}

#[cfg(test)]
mod tests {
    use super::function_bodies;

    #[test]
    fn the_bodies_of_functions_are_found() {
        for (line, expected) in [
            ("f() { a; }; b", &["{ a; "][..]),
            ("f()\n{ a ${1}; }\ng () { b; }", &["{ a ${1}; ", "{ b; "]),
            ("function f { a; }; function g() { b; }", &["{ a; ", "{ b; "]),
            ("f() (a); b() { c", &["(a", "{ c"]),
            ("f() { printf '{'; }; echo $1", &["{ printf '{'; "]),
            ("f() { a \"}\" \\} '\\' $1; }; f", &["{ a \"}\" \\} '\\' $1; "]),
            ("f() {\n# today's {\na $1; }; f $1", &["{\n# today's {\na $1; "]),
            ("f() {\ncat <<E\nit's\nE\n}; f $1", &["{\ncat <<E\nit's\nE\n"]),
            ("f() { # it's", &["{ # it's"]),
            ("a=()\n(echo $1)", &[]),
            ("echo the function is {x}", &[]),
            ("echo function ", &[]),
            ("a {b} ()", &[]),
        ] {
            let bodies = function_bodies(line.as_bytes());
            assert_eq!(bodies.into_iter().map(|body| &line[body]).collect::<Vec<_>>(), expected, "{line}");
        }
    }
}
