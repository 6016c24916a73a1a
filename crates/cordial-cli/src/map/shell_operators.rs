//! Finds words such as `'>'`, `\;` and `"'…'"` that were meant for a shell, in a command that runs without one.
//!
//! GNU parallel joins the words of a command and gives them to a shell, so `parallel gzip -c {} '>' {}.gz` is common there.
//! Here the program would get `>` as an argument, and `rm {} '&&' echo done` would remove more than one file. The same words
//! are also good arguments (`find -exec … \;`, `grep -c '>'`, `expr 1 '|' 2`), so only those are refused whose neighbors show
//! what was meant: a program after `;`, or an item before `>`.

use memchr::memmem;

use crate::system;
use crate::text::display;

/// Programs and options for which `>`, `<`, and a `;` in a word are arguments.
const COMPARING: [&[u8]; 19] = [
    b"expr",
    b"test",
    b"[",
    b"--compare-versions",
    b"grep",
    b"egrep",
    b"fgrep",
    b"zgrep",
    b"bzgrep",
    b"xzgrep",
    b"zstdgrep",
    b"rg",
    b"ag",
    b"ack",
    b"sed",
    b"awk",
    b"gawk",
    b"mawk",
    b"jq",
];

/// Programs with the letter of the option after which a word separates fields.
const SEPARATING: [(&[u8], u8); 6] =
    [(b"cut", b'd'), (b"paste", b'd'), (b"sort", b't'), (b"join", b't'), (b"column", b's'), (b"xargs", b'd')];

/// Programs that give their arguments to another shell or program.
const PASSING: [&[u8]; 11] =
    [b"ssh", b"rsh", b"su", b"tmux", b"screen", b"docker", b"podman", b"kubectl", b"adb", b"watch", b"parallel"];

/// Programs whose script is an argument; in single quotes it has no meaning, because the quotes are for a shell.
const SCRIPTED: [&[u8]; 5] = [b"awk", b"gawk", b"mawk", b"sed", b"jq"];

/// Programs for which the value of an option in single quotes has no meaning.
const WITH_OPTIONS: [&[u8]; 7] = [b"perl", b"python", b"python3", b"ruby", b"find", b"sh", b"bash"];

/// Variables that exist only for the commands of a run, so that a word with one is for a shell.
const VARIABLES: [&[u8]; 4] = [b"$PARALLEL_SEQ", b"$PARALLEL_JOBSLOT", b"${PARALLEL_SEQ}", b"${PARALLEL_JOBSLOT}"];

/// Checks that no word is an operator of a shell. `has_item` returns whether a word contains a placeholder.
///
/// # Errors
///
/// A message, when a word seems to be an operator.
pub(super) fn check(words: &[Vec<u8>], has_item: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    for (at, word) in arguments.iter().enumerate() {
        let (before, after) = (&arguments[..at], &arguments[at + 1..]);
        let is_before = |names: &[&[u8]]| words[..=at].iter().any(|word| names.contains(&file_name(word)));
        let option = before.last().filter(|option| option.starts_with(b"-"));
        let is_value = option.is_some();
        let is_quoted = word.len() > 2 && word.starts_with(b"'") && word.ends_with(b"'");
        if is_quoted && (is_before(&SCRIPTED) || (is_value && is_before(&WITH_OPTIONS))) {
            return Err(format!(
                "the quotes in {} would be passed to {}, because several words run without a shell: remove the inner quotes, or \
                 add --shell; or add -q to pass them",
                display::quoted(word),
                display::quoted(program),
            ));
        }
        let is_script = option.is_some_and(|option| option.ends_with(b"c"));
        let is_separator = option.is_some_and(|option| is_separating(&words[..at], option));
        if is_script || is_separator || is_before(&PASSING) || word.iter().any(u8::is_ascii_whitespace) {
            continue;
        }
        let comparing = words[..=at].iter().rposition(|word| COMPARING.contains(&file_name(word)));
        let is_compared = comparing.is_some();
        // `grep -l '2>&1'` and `grep '$PARALLEL_SEQ'` search for this text.
        let is_pattern = comparing.is_some_and(|start| words[start + 1..=at].iter().all(|word| word.starts_with(b"-")));
        let next_is_command = after.first().is_some_and(|next| system::is_command(next));
        let what = match &word[..] {
            b"|" | b"|&" | b"||" | b"&&" if next_is_command => "a pipe or a condition",
            word if !is_compared
                && !is_value
                && (begins_command(word) || (word.ends_with(b"|") && has_item(word) && next_is_command)) =>
            {
                "a pipe or a condition"
            }
            word if !is_pattern && VARIABLES.iter().any(|name| memmem::find(word, name).is_some()) => "a variable",
            b"2>&1" | b">&2" | b"1>&2" | b"2>/dev/null" | b">/dev/null" | b"&>/dev/null" if !is_pattern => {
                "a redirection"
            }
            b">" | b">>" | b"2>" | b"2>>" | b"&>" | b"<"
                if !is_compared && !after.is_empty() && before.iter().chain(&after[..1]).any(|word| has_item(word)) =>
            {
                "a redirection"
            }
            word if !is_compared
                && (!is_value || has_item(word))
                && is_file_of_redirection(word)
                && before.iter().any(|word| has_item(word)) =>
            {
                "a redirection"
            }
            b";" if next_is_command && !ends_exec(before) => "the end of a command",
            word if !is_compared
                && !ends_exec(before)
                && (!(is_value || has_value(word)) || has_item(word))
                && separates(word, next_is_command) =>
            {
                "the end of a command"
            }
            _ => continue,
        };
        return Err(format!(
            "{} is an argument of {} here, and not {what}, because several words run without a shell: add --shell, or write \
             the command in quotes as one word; or add -q to pass it as an argument",
            display::quoted(word),
            display::quoted(program),
        ));
    }
    Ok(())
}

fn file_name(word: &[u8]) -> &[u8] {
    word.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// Returns whether the word after an option of these words separates fields, as in `sort -t '|'`.
fn is_separating(words: &[Vec<u8>], option: &[u8]) -> bool {
    let has = |name: &[u8]| option.windows(name.len()).any(|part| part == name);
    let is_letter_of = |(program, letter): &(&[u8], u8)| {
        !option.starts_with(b"--")
            && option.ends_with(&[*letter])
            && words.iter().any(|word| file_name(word) == *program)
    };
    has(b"delim") || has(b"separator") || SEPARATING.iter().any(is_letter_of)
}

/// Returns whether a word is a pipe or a condition and the command after it: `|wc`.
fn begins_command(word: &[u8]) -> bool {
    let operators: [&[u8]; 4] = [b"||", b"&&", b"|&", b"|"];
    let rest = operators.iter().find_map(|operator| word.strip_prefix(*operator));
    // A single letter is more often a part of a list.
    rest.is_some_and(|rest| rest.len() > 1 && system::is_command(rest))
}

/// Returns whether a word has a value: `-DLIST=a;b` or `LIST=a;b`.
fn has_value(word: &[u8]) -> bool {
    word.starts_with(b"-") || word.contains(&b'=')
}

/// Returns whether a word is a redirection to a file: `>{}.gz` or `2>>errors.txt`.
fn is_file_of_redirection(word: &[u8]) -> bool {
    let rest = word.strip_prefix(b"2").or_else(|| word.strip_prefix(b"&")).unwrap_or(word);
    let Some(rest) = rest.strip_prefix(b">>").or_else(|| rest.strip_prefix(b">")) else { return false };
    let begins = rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"{./_~".contains(byte));
    begins && !rest.iter().any(|byte| b"<>".contains(byte))
}

/// Returns whether a `;` after these words ends the command of `find -exec`.
fn ends_exec(before: &[Vec<u8>]) -> bool {
    let options: [&[u8]; 4] = [b"-exec", b"-execdir", b"-ok", b"-okdir"];
    before.iter().any(|word| options.contains(&&word[..]))
}

/// Returns whether a word contains a `;` after which a command begins: `;` and `x;` before a word that is one, or `x;echo`.
fn separates(word: &[u8], next_is_command: bool) -> bool {
    let Some(at) = word.iter().rposition(|&byte| byte == b';') else { return false };
    match &word[at + 1..] {
        b"" => next_is_command,
        // A single letter is more often a command of sed or a variable.
        [_] => false,
        command => system::is_command(command),
    }
}

#[cfg(test)]
mod tests;
