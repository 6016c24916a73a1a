//! Lines in which bash, ksh or zsh may evaluate a text as an expression, as far as single words of the line show it.
//!
//! `shell_scan` and `shell_flow` follow an item to the places where the shell evaluates it, but not through quotes, `eval`, lists and
//! references. So an item in which an expression would run a command fails with any line that has one of these words, even if the shell
//! would not evaluate that item.

use super::shell_words::{has_name, keyed, name_length};

/// These commands may give a variable an attribute by which the shell reads its value as an expression, or read a list of an array.
const DECLARATIONS: [&[u8]; 5] = [b"declare", b"typeset", b"integer", b"float", b"nameref"];

/// These commands assign a list to an array that exists, if the value of a variable begins with a parenthesis.
const ASSIGNMENTS: [&[u8]; 3] = [b"export", b"local", b"readonly"];

/// These commands take the name of a variable from a text, and with it the index of an array.
const NAMES: [&[u8]; 6] = [b"unset", b"read", b"wait", b"getopts", b"mapfile", b"readarray"];

/// These commands make an array.
const ARRAYS: [&[u8]; 2] = [b"mapfile", b"readarray"];

/// Returns whether the shell may evaluate a text as an expression.
pub(super) fn may_evaluate(line: &[u8]) -> bool {
    let has_any = |names: &[&[u8]]| names.iter().any(|name| has_name(line, name));
    let has = |text: &[u8]| line.windows(text.len()).any(|part| part == text);
    has_reference(line)
        || calculates(line)
        || DECLARATIONS.iter().any(|name| declares(line, name))
        || (has_any(&ASSIGNMENTS) && (has(b"=(") || has(b"= (") || has(b"-a") || has_any(&ARRAYS)))
        || (has_index(line) && (has_any(&NAMES) || has(b"-v")))
}

/// Returns whether an item that is evaluated as an expression may run a command: it has a substitution, and an index or a list around it.
/// The texts are all values of the item that the line inserts.
pub(super) fn would_run_a_command(texts: &[impl AsRef<[u8]>]) -> bool {
    let any = |is_found: fn(&[u8]) -> bool| texts.iter().any(|text| is_found(text.as_ref()));
    any(|text| text.contains(&b'`') || text.windows(2).any(|pair| [b"$(", b"${", b"$["].contains(&&[pair[0], pair[1]])))
        && any(|text| text.contains(&b'[') || text.trim_ascii_start().starts_with(b"("))
}

/// Returns whether a line has `${!x}` or the like. `${!x[@]}` and `${!x@}` are lists of keys and names.
fn has_reference(line: &[u8]) -> bool {
    line.windows(2).enumerate().filter(|(_, pair)| *pair == b"{!").any(|(at, _)| {
        let name = &line[at + 2..];
        let after = name_length(name).map(|length| &name[length..]);
        let is_list = |after: &[u8]| [&b"[@]}"[..], b"[*]}", b"@}", b"*}"].iter().any(|end| after.starts_with(end));
        !after.is_some_and(is_list)
    })
}

/// Returns whether a line has the word `let`. `let x=1` alone assigns a number, and evaluates no other text.
fn calculates(line: &[u8]) -> bool {
    let starts = line.windows(3).enumerate().filter(|(_, word)| *word == b"let").map(|(at, _)| at);
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    starts.filter(|at| !is_part(line[..*at].last()) && !is_part(line.get(at + 3))).any(|at| {
        let argument = line[at + 3..].strip_prefix(b" ").unwrap_or_default();
        let value = name_length(argument).and_then(|length| argument[length..].strip_prefix(b"="));
        let is_number = value.is_some_and(|value| {
            let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let after = value[digits..].iter().find(|byte| **byte != b' ');
            digits > 0 && after.is_none_or(|byte| b";&|\n".contains(byte))
        });
        !is_number
    })
}

/// Returns whether a line has this command as a word. With the option `-A`, it declares an array whose keys are texts.
fn declares(line: &[u8], command: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| !byte.is_ascii_alphanumeric() && !b"_-".contains(byte)).collect();
    words.iter().enumerate().any(|(at, word)| *word == command && words.get(at + 1) != Some(&&b"-A"[..]))
}

/// Returns whether a line has a bracket that may begin the index of an array: a name is before it, or no blank after it, as after the command
/// `[`. The name is not that of an array whose keys are texts.
fn has_index(line: &[u8]) -> bool {
    let keyed = keyed(line);
    line.iter().enumerate().filter(|(_, byte)| **byte == b'[').any(|(at, _)| {
        let (before, after) = (&line[..at], line.get(at + 1));
        let follows_name = before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let begins = follows_name || after.is_some_and(|byte| !byte.is_ascii_whitespace() && !b"[]^".contains(byte));
        begins && !keyed.iter().any(|name| before.ends_with(name))
    })
}

#[cfg(test)]
mod tests {
    use super::{may_evaluate, would_run_a_command};

    #[test]
    fn lines_that_may_evaluate_a_text_are_found() {
        for (line, is_found) in [
            ("echo \"${!@}\"", true),
            ("x={}; declare -a y=([0]=2 [x]=1)", true),
            ("export y=( [x]=1 )", true),
            ("read -a x <<< 1; export x={}", true),
            ("printf -v \"y[ x ]\" 1", true),
            ("unset y\\[x\\]", true),
            ("unset {z,\"y[x]\"}", true),
            ("unset y'[x]'", true),
            ("[ -v 'y[x]' ]", true),
            ("let $'y=x'", true),
            ("let y=x", true),
            ("let x=1 $'y=x'", true),
            ("let x=1a", true),
            ("x=1; let x", true),
            ("let x=1 && echo {}; outlet letter", false),
            ("declare -A b; b[{}]=1; unset 'b[{}]'; echo \"${!b[@]}\"", false),
            ("x[1]=2", false),
            ("echo {}", false),
            ("export x={}; env", false),
            ("[ -f {} ] && cat {}", false),
            ("[[ -f {} ]] && cat {}", false),
            ("ls *.[ch] [a-z]*", false),
            ("awk '{ n[$1]++ } END { print n[1] }' {}", false),
            ("sed 's/x[0-9]*//' {} | sort", false),
            ("printf '[%s]\\n' {}", false),
            ("while read -r x; do echo \"$x\"; done < {}", false),
        ] {
            assert_eq!(may_evaluate(line.as_bytes()), is_found, "{line}");
        }
    }

    #[test]
    fn items_that_would_run_a_command_are_found() {
        for (texts, is_found) in [
            (&["a[$(id)]"][..], true),
            (&["a[`id`]"], true),
            (&["a[${ id;}]"], true),
            (&["($(id))"], true),
            (&["a[", "$(id)]"], true),
            (&["$(id)"], false),
            (&["a[$1] for $5"], false),
            (&["[1] (draft).txt"], false),
        ] {
            assert_eq!(would_run_a_command(texts), is_found, "{texts:?}");
        }
    }
}
