//! Finds words such as `'>'`, `\;` and `"'…'"` that were meant for a shell, in a command that runs without one.
//!
//! GNU parallel joins the words of a command and gives them to a shell, so `parallel gzip -c {} '>' {}.gz` is common there.
//! Here the program would get `>` as an argument, and `rm {} '&&' echo done` would remove more than one file. The same words
//! are also good arguments (`find -exec … \;`, `grep -c '>'`, `expr 1 '|' 2`), so a word is refused only if it shows what was
//! meant (`2>&1`, `|wc`), or if its neighbors do: a program after `;`, or an item before `>`.

use memchr::memmem;

use crate::system;
use crate::text::display;

/// Programs and options for which operators such as `>`, `<`, `;` and `|` in a word are arguments.
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

/// Programs, each with the letter of the option whose value is a separator, as in `cut -d ';'`.
const SEPARATING: [(&[u8], u8); 6] =
    [(b"cut", b'd'), (b"paste", b'd'), (b"sort", b't'), (b"join", b't'), (b"column", b's'), (b"xargs", b'd')];

/// Programs that may give their arguments to another shell: the operators may be meant for that shell.
const PASSING: [&[u8]; 25] = [
    b"ssh",
    b"rsh",
    b"su",
    b"tmux",
    b"screen",
    b"docker",
    b"podman",
    b"kubectl",
    b"adb",
    b"watch",
    b"parallel",
    b"srun",
    b"sbatch",
    b"qsub",
    b"bsub",
    b"clush",
    b"pdsh",
    b"salt",
    b"ansible",
    b"hyperfine",
    b"nix-shell",
    b"entr",
    b"script",
    b"flock",
    b"tclsh",
];

/// Shells, whose script comes after an option with the letter `c`.
const SHELLS: [&[u8]; 5] = [b"sh", b"bash", b"dash", b"zsh", b"ksh"];

/// Programs whose script is an argument. A script in single quotes is invalid: the quotes were meant for a shell, which removes them.
const SCRIPTED: [&[u8]; 5] = [b"awk", b"gawk", b"mawk", b"sed", b"jq"];

/// Programs for which single quotes around the value of an option were meant for a shell: with the quotes, the value is invalid or has no
/// effect.
const WITH_OPTIONS: [&[u8]; 7] = [b"perl", b"python", b"python3", b"ruby", b"find", b"sh", b"bash"];

/// Programs that print their arguments, so that quotes around an item may be meant.
const PRINTING: [&[u8]; 3] = [b"echo", b"printf", b"logger"];

/// Programs in whose words `$(…)` has a meaning of its own.
const EXPANDING: [&[u8]; 4] = [b"make", b"gmake", b"bmake", b"m4"];

/// Variables that exist only for the commands of a run, so that a word with one is for a shell.
const VARIABLES: [&[u8]; 4] = [b"$PARALLEL_SEQ", b"$PARALLEL_JOBSLOT", b"${PARALLEL_SEQ}", b"${PARALLEL_JOBSLOT}"];

/// Redirections that need no further word.
const COMPLETE: [&[u8]; 6] = [b"2>&1", b">&2", b"1>&2", b"2>/dev/null", b">/dev/null", b"&>/dev/null"];

/// Redirections whose file is the next word.
const FILE_FOLLOWS: [&[u8]; 6] = [b">", b">>", b"2>", b"2>>", b"&>", b"<"];

/// What a word looks like, for the message.
const CONDITION: &str = "a pipe or a condition";
const REDIRECTION: &str = "a redirection";
const END: &str = "the end of a command";

/// Checks that no word was meant for a shell: an operator, a substitution, a variable of GNU parallel, inner quotes, or the
/// beginning of a line in the place of the program. `has_item` returns whether a word contains a placeholder.
///
/// # Errors
///
/// A message that names the word.
pub(super) fn check(words: &[Vec<u8>], has_item: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    if !arguments.is_empty() && has_item(program) && begins_line(program) {
        return Err(format!(
            "{} is the name of a program here, because several words run without a shell: add --shell, or write the command in \
             quotes as one word; or add -q to run a program of this name",
            display::quoted(program)
        ));
    }
    for (at, word) in arguments.iter().enumerate() {
        let (before, after) = (&arguments[..at], &arguments[at + 1..]);
        let is_before = |names: &[&[u8]]| words[..=at].iter().any(|word| names.contains(&file_name(word)));
        let option = before.last().filter(|option| option.starts_with(b"-"));
        let is_value = option.is_some();
        let refuse_quotes = || {
            Err(format!(
                "the quotes in {} would be passed to {}, because several words run without a shell: remove the inner quotes, or \
                 add --shell; or add -q to pass them",
                display::quoted(word),
                display::quoted(program),
            ))
        };
        let is_quoted = is_in_quotes(word, b'\'');
        if is_quoted && (is_before(&SCRIPTED) || (is_value && is_before(&WITH_OPTIONS))) {
            return refuse_quotes();
        }
        // A script that is in double quotes as a whole is an error, or only a string. It is useful in jq, and in a shell, where
        // `sh -c '"$0"' PROGRAM` runs the program.
        let is_text = is_in_quotes(word, b'"');
        if is_text
            && ((is_before(&SCRIPTED) && !is_before(&[b"jq"]))
                || (is_value && is_before(&WITH_OPTIONS) && !is_before(&SHELLS)))
        {
            return refuse_quotes();
        }
        let has_c = |option: &Vec<u8>| option.starts_with(b"-") && !option.starts_with(b"--") && option.contains(&b'c');
        // `sh -c SCRIPT`, `psql -c SCRIPT`. A single operator is no script: the `<` in `wc -c < {}`.
        let is_script = !FILE_FOLLOWS.contains(&&word[..])
            && (option.is_some_and(|option| option.ends_with(b"c"))
                || (is_before(&SHELLS) && before.iter().any(has_c)));
        let is_separator = option.is_some_and(|option| is_separating(&words[..at], option));
        if is_script || is_separator || is_before(&PASSING) {
            continue;
        }
        let comparing = words[..=at].iter().rposition(|word| COMPARING.contains(&file_name(word)));
        let is_compared = comparing.is_some();
        let follows_item = || before.iter().any(|word| has_item(word));
        // `perl -e` and the like: the program of another language.
        let is_program =
            option.is_some_and(|option| option.ends_with(b"e") || option.ends_with(b"r") || option == b"--eval");
        if !is_compared
            && !is_program
            && ((is_text && has_variable(word)) || ((is_text || is_quoted) && has_item(word) && !is_before(&PRINTING)))
        {
            return refuse_quotes();
        }
        let what = match substitution(word, after, &has_item) {
            Some(what) if !is_compared && !is_program && !is_before(&EXPANDING) => Some(what),
            _ if word.iter().any(u8::is_ascii_whitespace) => {
                operator_before_blank(word, follows_item()).filter(|_| !is_compared && !is_value)
            }
            _ => None,
        };
        if let Some(what) = what {
            return Err(refusal(word, program, what));
        }
        if word.iter().any(u8::is_ascii_whitespace) {
            continue;
        }
        // `grep -l '2>&1'` and `grep '$PARALLEL_SEQ'` search for this text.
        let is_pattern = comparing.is_some_and(|start| words[start + 1..=at].iter().all(|word| word.starts_with(b"-")));
        let next_is_command = after.first().is_some_and(|next| system::is_command(next));
        let what = match &word[..] {
            b"|" | b"|&" | b"||" | b"&&" if next_is_command => CONDITION,
            word if !is_compared
                && !is_value
                && (begins_command(word) || (word.ends_with(b"|") && has_item(word) && next_is_command)) =>
            {
                CONDITION
            }
            word if !is_pattern && VARIABLES.iter().any(|name| memmem::find(word, name).is_some()) => "a variable",
            word if !is_pattern && COMPLETE.contains(&word) => REDIRECTION,
            word if FILE_FOLLOWS.contains(&word)
                && !is_compared
                && !after.is_empty()
                && before.iter().chain(&after[..1]).any(|word| has_item(word)) =>
            {
                REDIRECTION
            }
            word if !is_compared && (!is_value || has_item(word)) && is_redirection_to_file(word) && follows_item() => {
                REDIRECTION
            }
            b";" if next_is_command && !ends_exec(before) => END,
            word if !is_compared
                && !ends_exec(before)
                && (!(is_value || has_value(word)) || has_item(word))
                && separates(word, next_is_command) =>
            {
                END
            }
            _ => continue,
        };
        return Err(refusal(word, program, what));
    }
    Ok(())
}

/// Returns whether a word begins and ends with this quote, and has no other one: `'a b'`, where the quotes are part of the word.
fn is_in_quotes(word: &[u8], quote: u8) -> bool {
    word.len() > 2
        && word.iter().filter(|byte| **byte == quote).count() == 2
        && word[0] == quote
        && word.ends_with(&[quote])
}

/// Returns whether a shell would insert a variable into a word: `$USER`, `${USER}`.
fn has_variable(word: &[u8]) -> bool {
    word.windows(2).any(|pair| pair[0] == b'$' && (pair[1].is_ascii_alphabetic() || b"_{".contains(&pair[1])))
}

fn refusal(word: &[u8], program: &[u8], what: &str) -> String {
    format!(
        "{} is an argument of {} here, and not {what}, because several words run without a shell: add --shell, or write \
         the command in quotes as one word; or add -q to pass it as an argument",
        display::quoted(word),
        display::quoted(program),
    )
}

/// Returns whether the word of the program is the beginning of a line for a shell: `x={};`, `LANG={}`, `ls {}`. The path of a program
/// may have a blank, so the text before the first blank has to be a command.
fn begins_line(word: &[u8]) -> bool {
    let name = word.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let is_assignment = name > 0 && !word[0].is_ascii_digit() && word.get(name) == Some(&b'=');
    let first = word.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    is_assignment || word.contains(&b';') || (first.len() < word.len() && system::is_command(first))
}

/// Returns what a shell would substitute in a word, for the message, if the substitution contains the item: `$(basename {})`,
/// `` `basename {}` ``, or `$((`, whose end may be in a later word. Ignores a command substitution if its word has a blank before or after it:
/// the word is then a text, or a line for another program.
fn substitution(word: &[u8], after: &[Vec<u8>], has_item: impl Fn(&[u8]) -> bool) -> Option<&'static str> {
    if let Some(at) = memmem::find(word, b"$((") {
        let rest = || std::iter::once(&word[at..]).chain(after.iter().map(|word| &word[..]));
        let n_words = rest().position(|text| memmem::find(text, b"))").is_some())? + 1;
        return rest().take(n_words).any(has_item).then_some("a calculation");
    }
    let is_substituted = |start: &[u8], end: u8| {
        let Some(at) = memmem::find(word, start) else { return false };
        let text = &word[at + start.len()..];
        let Some(length) = text.iter().position(|byte| *byte == end) else { return false };
        let around = [&word[..at], &text[length..]];
        let text = &text[..length];
        let program = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        !around.iter().any(|part| part.iter().any(u8::is_ascii_whitespace))
            && has_item(text)
            && system::is_command(program)
    };
    (is_substituted(b"$(", b')') || is_substituted(b"`", b'`')).then_some("a command substitution")
}

/// Returns the kind of shell operator with which a word with blanks begins, such as `| tee log` or `> log 2>&1`. `follows_item` says
/// whether a word before this one has a placeholder.
fn operator_before_blank(word: &[u8], follows_item: bool) -> Option<&'static str> {
    let mut parts = word.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let (first, next) = (parts.next()?, parts.next()?);
    let is_operator = |part: &[u8]| part.iter().any(|byte| b"|&;<>".contains(byte));
    // `> quoted text` and `> 5` are no redirections.
    let is_file = || next.iter().any(u8::is_ascii_alphabetic) && parts.clone().all(is_operator);
    match first {
        // A word that ends with `|` does not count, because `| sort | name |` is a line of a table.
        b"|" | b"|&" | b"||" | b"&&" if system::is_command(next) && !word.ends_with(b"|") => Some(CONDITION),
        b";" if system::is_command(next) => Some(END),
        _ if COMPLETE.contains(&first) && is_operator(next) => Some(REDIRECTION),
        _ if FILE_FOLLOWS.contains(&first) && follows_item && (is_file() || next.contains(&b'{')) => Some(REDIRECTION),
        _ if follows_item && is_redirection_to_file(first) => Some(REDIRECTION),
        _ => None,
    }
}

fn file_name(word: &[u8]) -> &[u8] {
    word.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// Returns whether the value of an option is a separator, as in `sort -t '|'`. `words` are the words before the option.
fn is_separating(words: &[Vec<u8>], option: &[u8]) -> bool {
    let has = |name: &[u8]| option.windows(name.len()).any(|part| part == name);
    let is_letter_of = |(program, letter): &(&[u8], u8)| {
        !option.starts_with(b"--")
            && option.ends_with(&[*letter])
            && words.iter().any(|word| file_name(word) == *program)
    };
    has(b"delim") || has(b"separator") || SEPARATING.iter().any(is_letter_of)
}

/// Returns whether a word is a pipe or a condition with its command: `|wc`.
fn begins_command(word: &[u8]) -> bool {
    let operators: [&[u8]; 4] = [b"||", b"&&", b"|&", b"|"];
    let rest = operators.iter().find_map(|operator| word.strip_prefix(*operator));
    // A single letter is more often a part of a list.
    rest.is_some_and(|rest| rest.len() > 1 && system::is_command(rest))
}

/// Returns whether a word is an option or sets a value: `-DLIST=a;b` or `LIST=a;b`.
fn has_value(word: &[u8]) -> bool {
    word.starts_with(b"-") || word.contains(&b'=')
}

/// Returns whether a word is a redirection to a file: `>{}.gz` or `2>>errors.txt`.
fn is_redirection_to_file(word: &[u8]) -> bool {
    let rest = word.strip_prefix(b"2").or_else(|| word.strip_prefix(b"&")).unwrap_or(word);
    let Some(rest) = rest.strip_prefix(b">>").or_else(|| rest.strip_prefix(b">")) else { return false };
    let begins = rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"{./_~".contains(byte));
    begins && !rest.iter().any(|byte| b"<>".contains(byte))
}

/// Returns whether a `;` after these words may end the command of `find -exec`.
fn ends_exec(before: &[Vec<u8>]) -> bool {
    let options: [&[u8]; 4] = [b"-exec", b"-execdir", b"-ok", b"-okdir"];
    before.iter().any(|word| options.contains(&&word[..]))
}

/// Returns whether a word contains a `;` after which a command begins: `x;echo`, or `;` or `x;` if the next word is a command.
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
