//! Finds syntax that bash has and `dash` does not have, in a line or a script that `sh` is to run.
//!
//! People write such lines for GNU parallel, which runs them with the shell of its user. If `sh` is `dash`, some of the lines fail. Others
//! do something else, without an error: `&>file` runs the command in the background, `{1..3}` is one word, `$RANDOM` is empty.
//!
//! A line in which such syntax is found is refused. So the search skips text that may be correct for `dash` as well, such as the text of a
//! here-document.

use super::shell_context::{Opening, closing_outside_quotes, opening};

/// Commands of bash that `dash` does not have.
const COMMANDS: [&[u8]; 11] = [
    b"declare",
    b"typeset",
    b"let",
    b"shopt",
    b"pushd",
    b"popd",
    b"mapfile",
    b"readarray",
    b"function",
    b"source",
    b"compgen",
];

/// Variables that bash sets.
const VARIABLES: [&[u8]; 16] = [
    b"RANDOM",
    b"SRANDOM",
    b"SECONDS",
    b"EPOCHSECONDS",
    b"EPOCHREALTIME",
    b"BASHPID",
    b"BASH_SOURCE",
    b"BASH_VERSION",
    b"EUID",
    b"FUNCNAME",
    b"HOSTNAME",
    b"HOSTTYPE",
    b"MACHTYPE",
    b"OSTYPE",
    b"PIPESTATUS",
    b"UID",
];

/// Words after which a command begins.
const KEYWORDS: [&[u8]; 10] = [b"then", b"do", b"else", b"if", b"elif", b"while", b"until", b"time", b"command", b"{"];

/// Returns the first piece of syntax in a script that bash has and `dash` does not have. `has_variable` returns whether the environment has
/// a variable. The search ends at a here-document, and at a backquote in double quotes.
pub(super) fn only_in_bash(script: &[u8], has_variable: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let mut is_quoted = false;
    // For each open parenthesis, whether it is inside double quotes. A quote after the parenthesis does not end those double quotes.
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(&byte) = script.get(at) {
        let rest = &script[at..];
        match byte {
            b'\\' => at += 1,
            b'"' => is_quoted = !is_quoted,
            b'$' => {
                if let Some(length) = expansion(script, rest, is_quoted, &has_variable) {
                    return Some(&rest[..length]);
                }
                at += match rest {
                    [_, b'(', b'(', calculation @ ..] => 3 + end_of_calculation(calculation).unwrap_or_default(),
                    [_, b'(', ..] => {
                        open.push(std::mem::take(&mut is_quoted));
                        1
                    }
                    [_, b'{' | b'$' | b'!' | b'#', ..] => 1,
                    _ => 0,
                };
            }
            // Shells differ in what a double quote inside the backquotes means.
            b'`' if is_quoted => return None,
            _ if is_quoted => {}
            b')' => is_quoted = open.pop().unwrap_or_default(),
            b'\'' => at += rest[1..].iter().position(|&byte| byte == b'\'')? + 1,
            b'#' if begins_word(script, at) => at += rest.iter().position(|&byte| byte == b'\n')? - 1,
            b'<' if rest.starts_with(b"<<") && !rest.starts_with(b"<<<") => return None,
            _ => {
                let before = at.checked_sub(1).map_or(b'\n', |before| script[before]);
                let length = operator(rest, before).or_else(|| match byte {
                    b'{' => brace_expansion(rest),
                    _ if begins_word(script, at) && begins_command(script, at) => command(rest),
                    _ => None,
                });
                if let Some(length) = length {
                    return Some(&rest[..length]);
                }
                if byte == b'(' {
                    open.push(false);
                }
            }
        }
        at += 1;
    }
    None
}

/// Returns the position of the last parenthesis of a calculation. `text` begins after the two parentheses that open the calculation.
fn end_of_calculation(text: &[u8]) -> Option<usize> {
    closing_outside_quotes(text).map(|at| at + 1).filter(|&at| text.get(at) == Some(&b')'))
}

/// Returns the length of the operator at the start of a text, if only bash has it. `before` is the byte before the text.
fn operator(text: &[u8], before: u8) -> Option<usize> {
    let operators: [&[u8]; 4] = [b"<<<", b"<(", b">(", b"|&"];
    let found = operators.iter().find(|operator| text.starts_with(operator)).map(|operator| operator.len());
    found.or_else(|| (text.starts_with(b"&>") && !b"&<>|".contains(&before)).then_some(2))
}

/// Returns the length of the expansion at the start of a text, if only bash has it. The text begins with the `$`. For `$'…'`, returns the
/// length of `$'`.
fn expansion(script: &[u8], text: &[u8], is_quoted: bool, has_variable: impl Fn(&[u8]) -> bool) -> Option<usize> {
    if text.starts_with(b"$'") && !is_quoted {
        return Some(2);
    }
    // A calculation in brackets.
    if text.starts_with(b"$[")
        && let Some(end) = text.iter().position(|&byte| byte == b']')
        && text[2..end].trim_ascii_start().first().is_some_and(|first| first.is_ascii_digit() || *first == b'$')
    {
        return Some(end + 1);
    }
    let is_set_by_bash = |name: &[u8]| VARIABLES.contains(&name) && !has_variable(name) && !assigns(script, name);
    if let Some(calculation) = text.strip_prefix(b"$((") {
        let end = calculation.windows(2).position(|pair| pair == b"))").unwrap_or(calculation.len());
        let mut names = calculation[..end].split(|byte| !is_name(byte));
        return names.any(is_set_by_bash).then_some(3 + (end + 2).min(calculation.len()));
    }
    let begins = if text.starts_with(b"${") { 2 } else { 1 };
    let is_indirect = begins == 2 && text.get(2) == Some(&b'!') && text.get(3).is_some_and(is_name);
    let name = &text[begins..][..text[begins..].iter().take_while(|byte| is_name(byte)).count()];
    let after = &text[begins + name.len()..];
    let is_changed = match after {
        [b'^' | b',' | b'/' | b'[' | b'@', ..] => true,
        [b':', next, ..] => !b"-+=?".contains(next),
        _ => false,
    };
    if is_indirect || begins == 2 && !name.is_empty() && is_changed {
        let end = text.iter().position(|&byte| byte == b'}').map_or(text.len(), |end| end + 1);
        return Some(end);
    }
    is_set_by_bash(name).then_some(begins + name.len() + usize::from(begins == 2 && after.starts_with(b"}")))
}

/// Returns the length of `{a,b}` or `{1..3}` at the start of a text.
fn brace_expansion(text: &[u8]) -> Option<usize> {
    let end =
        text.iter().position(|byte| *byte == b'}' || byte.is_ascii_whitespace() || b"$;&|<>()`".contains(byte))?;
    let inner = (text[end] == b'}').then(|| &text[1..end])?;
    let is_list = inner.contains(&b',') && !inner.contains(&b'{');
    let mut ends = inner.split(|&byte| byte == b'.');
    let is_end = |end: &[u8]| match end.strip_prefix(b"-").unwrap_or(end) {
        [letter] if letter.is_ascii_alphabetic() => true,
        number => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
    };
    let is_range = ends.next().is_some_and(is_end) && ends.next() == Some(b"") && ends.next().is_some_and(is_end);
    (is_list || is_range).then_some(end + 1)
}

/// Returns the length of the start of a command, up to and including the syntax that only bash has. `None` if there is no such syntax.
fn command(text: &[u8]) -> Option<usize> {
    let word = &text[..text.iter().take_while(|byte| is_name(byte)).count()];
    let after = &text[word.len()..];
    let ends_word = after.first().is_none_or(|byte| byte.is_ascii_whitespace() || b";&|".contains(byte));
    if word.is_empty() {
        let ends = |length: usize| text.get(length).is_some_and(u8::is_ascii_whitespace);
        return match text {
            [b'[', b'[', ..] if ends(2) => Some(2),
            [b'[', ..] if ends(1) => comparison(text),
            [b'(', b'(', rest @ ..] if opening(rest) == Opening::Calculation => Some(2),
            _ => None,
        };
    }
    match word {
        b"for" if after.trim_ascii_start().starts_with(b"((") => Some(text.len() - after.trim_ascii_start().len() + 2),
        b"test" if ends_word => comparison(text),
        b"echo" if ends_word => {
            let options = after.trim_ascii_start();
            let option = &options[..options.iter().position(u8::is_ascii_whitespace).unwrap_or(options.len())];
            let is_option =
                option.len() > 1 && option[0] == b'-' && option[1..].iter().all(|byte| b"neE".contains(byte));
            (is_option && option != b"-n").then(|| text.len() - options.len() + option.len())
        }
        _ if COMMANDS.contains(&word) && ends_word => Some(word.len()),
        _ if !word[0].is_ascii_digit() && (after.starts_with(b"=(") || after.starts_with(b"+=")) => {
            Some(word.len() + 2)
        }
        _ => None,
    }
}

/// Returns the length of a `[` or `test` command up to the end of its `==`. `None` if it has no `==`, or if that is uncertain.
fn comparison(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => at += 1,
            (None | Some(b'"'), b'$') if rest.starts_with(b"$((") => {
                at += rest.windows(2).position(|pair| pair == b"))")?;
            }
            // A command substitution may contain another `==`, so the search ends here.
            (None | Some(b'"'), b'`') => return None,
            (None | Some(b'"'), b'$') if rest.starts_with(b"$(") => return None,
            (Some(opened), _) if opened == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b';' | b'&' | b'|' | b'\n') => return None,
            (None, b' ') if rest.starts_with(b" ]") => return None,
            (None, b' ') if rest.starts_with(b" == ") => return Some(at + 3),
            _ => {}
        }
        at += 1;
    }
    None
}

fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Returns whether a script has an assignment to a variable, or text that looks like an assignment.
fn assigns(script: &[u8], name: &[u8]) -> bool {
    let assignment = [name, b"="].concat();
    script.windows(assignment.len()).any(|part| part == assignment)
}

fn begins_word(script: &[u8], at: usize) -> bool {
    at == 0 || script[at - 1].is_ascii_whitespace() || b";&|()`".contains(&script[at - 1])
}

/// Returns whether the word at a position is the first word of a command.
fn begins_command(script: &[u8], at: usize) -> bool {
    let before = &script[..at];
    let blanks = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let before = &before[..before.len() - blanks];
    let is_keyword = |keyword: &&[u8]| {
        before.strip_suffix(*keyword).is_some_and(|rest| rest.is_empty() || begins_word(script, rest.len()))
    };
    // A redirection such as `>&` does not end a command.
    let is_redirected = before.len() > 1 && before.ends_with(b"&") && b"<>".contains(&before[before.len() - 2]);
    before.last().is_none_or(|byte| b";&|()`!\n".contains(byte) && !is_redirected) || KEYWORDS.iter().any(is_keyword)
}

#[cfg(test)]
mod tests {
    use super::only_in_bash;

    #[test]
    fn what_only_bash_knows_is_found() {
        for (script, found) in [
            ("cat <<< {}", "<<<"),
            ("diff <(a) <(b)", "<("),
            ("a > >(tee x)", ">("),
            ("a &>log", "&>"),
            ("a &>> log", "&>"),
            ("a |& b", "|&"),
            ("printf $'a\\tb'", "$'"),
            ("if [[ {} = a ]]; then b; fi", "[["),
            ("! [[ -e x ]]", "[["),
            ("a=1; ((a++))", "(("),
            ("for ((i=0; i<3; i++)); do a; done", "for (("),
            ("for i in {1..3}; do a; done", "{1..3}"),
            ("cp {} x.{a,b}", "{a,b}"),
            ("[ {} == a ] && b", "[ {} =="),
            ("test a == b", "test a =="),
            ("[ $((a % 2)) == 0 ]", "[ $((a % 2)) =="),
            ("[ \"$x\" == \"a b\" ]", "[ \"$x\" =="),
            ("a \"$(b \"c\")\" <<< d", "<<<"),
            ("a \"$([[ b ]] && c)\"", "[["),
            ("echo -e 'a\\n'", "echo -e"),
            ("a; echo -ne x", "echo -ne"),
            ("echo ${x^^}", "${x^^}"),
            ("echo \"${x//a/b}\"", "${x//a/b}"),
            ("echo ${x:1:2}", "${x:1:2}"),
            ("echo ${!x}", "${!x}"),
            ("sleep $((RANDOM % 3))", "$((RANDOM % 3))"),
            ("echo \"$RANDOM\"", "$RANDOM"),
            ("echo ${SECONDS}", "${SECONDS}"),
            ("echo $UID", "$UID"),
            ("a | b; echo $PIPESTATUS", "$PIPESTATUS"),
            ("echo \"$[1+1]\" $[2]", "$[1+1]"),
            ("echo $[ $x * 2 ]", "$[ $x * 2 ]"),
            ("source x; a", "source"),
            ("a && declare -A m", "declare"),
            ("x=(a b)", "x=("),
            ("x+=a", "x+="),
        ] {
            let part = only_in_bash(script.as_bytes(), |_| false).map(String::from_utf8_lossy);
            assert_eq!(part.as_deref(), Some(found), "{script}");
        }
    }

    #[test]
    fn what_every_shell_knows_is_not_found() {
        for script in [
            "echo $(( $(echo '))' | wc -c) )) '<<<'",
            "gzip -c {} > {}.gz 2>&1",
            "a >&2 && b || c & d",
            "echo {} {.} {/} {//} {/.} {#} {%} {1} {-1} {2/.}",
            "awk '{print $1, RANDOM}' \"[[ x ]]\" '<(' '{a,b}'",
            "echo \"it's {a,b} &> <( [[ x\"; b 'x'",
            "echo \\{a,b\\} \\$RANDOM \\&\\> x",
            "echo ${x%.*} ${x##*/} ${x:-a,b} ${x:+y} ${#x} ${x-} \"$@\" $# $$ $!",
            "case {} in [[:alpha:]]*) a;; *) b;; esac",
            "(cd x; a); ((cd x; a) | b)",
            "echo $((1 + {})) $(a | b) `c`",
            "f() { echo a, b; }; f",
            "[ {} = a ] && [ x != y ]",
            "[ -e {} ] && echo a == b",
            "[ \"$(awk '$1 == 2' {})\" ] && [ $((a == b)) = 1 ] && [ {} = 'a == b' ]",
            "[ $(grep -c ' == ' {}) -gt 1 ]",
            "x=\"$(grep -E \"a{1,3} &> [[\" {})\"; a \"`b \"{1,3}\"`\"",
            "a \"($(b; (c; d)) {1,3}\"",
            "a \"$(b $((2 * (3 + 4))) $((1)) \"{1,3}\")\"",
            "echo a -e; echo -n x; printf -e",
            "a # it's [[ x ]]\nb",
            "cat <<X\n[[ a ]] <(\nX",
            "SECONDS=3; echo $SECONDS $RANDOMLY",
            "git show x@{0} a{}b {x}",
            "find . -name x -exec echo {} + | let_it",
            "sed -e 's/(/{/' {} | source-highlight",
            "printf '%s\\n' {} | tr , . ; x=a",
            "grep \"a$[bc]\" {}",
            "echo 'open",
        ] {
            let part = only_in_bash(script.as_bytes(), |_| false).map(String::from_utf8_lossy);
            assert_eq!(part, None, "{script}");
        }
        assert_eq!(only_in_bash(b"echo $RANDOM", |name| name == b"RANDOM"), None);
    }
}
