//! How a command of a shell line reads the word in which a placeholder or a variable is: as a text, or as something that the
//! shell evaluates. Where bash expects a number or a name, the text `a[$(id)]` runs a command.

use super::shell_check::Check;
use super::shell_context::{Opening, opening};

/// How a word is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Text,
    /// As the name of the command.
    Command,
    /// As a calculation.
    Number,
    /// As a text whose substitutions are done.
    Expanded,
    /// As the name of a variable.
    Name,
    /// As the name of a variable, or as `NAME=VALUE`.
    Declaration,
    /// As a list of the values of an array, with the syntax of the shell.
    Array,
    /// As the value of these variables.
    Value(Vec<Vec<u8>>),
}

/// Commands that declare the variables which are their arguments.
const DECLARING: [&[u8]; 8] =
    [b"declare", b"typeset", b"local", b"readonly", b"export", b"integer", b"float", b"nameref"];

/// Variables that are numbers for bash, without a declaration.
const NUMBERS: [&[u8]; 5] = [b"RANDOM", b"SRANDOM", b"OPTIND", b"HISTCMD", b"BASHPID"];

/// The words that may be before a command.
const KEYWORDS: [&[u8]; 12] =
    [b"then", b"do", b"else", b"if", b"elif", b"while", b"until", b"!", b"{", b"time", b"builtin", b"command"];

/// Returns how the shell reads the last word of `before`, which is the text of a command up to a position in that word.
pub(super) fn reading(before: &[u8]) -> Reading {
    let mut words = split(before);
    let word = words.pop().unwrap_or_default();
    let is_before = |word: &Vec<u8>| KEYWORDS.contains(&&word[..]) || assigned_name(word).is_some();
    let skipped = words.iter().take_while(|word| is_before(word)).count();
    // An array may have several words.
    if let Some(at) = words[..skipped].iter().rposition(|word| word.contains(&b'(') && !word.ends_with(b")")) {
        return match words[at..].iter().position(|word| word.ends_with(b")")) {
            Some(end) => reading_after(&words[at + end + 1..], &word),
            None => Reading::Value(assigned_name(&words[at]).map(<[u8]>::to_vec).into_iter().collect()),
        };
    }
    reading_after(&words[skipped..], &word)
}

/// Returns how the shell reads a word that follows these words of a command.
fn reading_after(words: &[Vec<u8>], word: &[u8]) -> Reading {
    let Some((command, arguments)) = words.split_first() else {
        return match assigned_name(word) {
            Some(name) => Reading::Value(vec![name.to_vec()]),
            None => Reading::Command,
        };
    };
    let last = arguments.last().map_or(&b""[..], |word| &word[..]);
    match &command[..] {
        command if DECLARING.contains(&command) => declaration(command, arguments, word),
        b"read" if last == b"<<<" || word.starts_with(b"<<<") => {
            let names = arguments.iter().filter(|word| !b"-<".contains(word.first().unwrap_or(&b'-')));
            Reading::Value(names.cloned().collect())
        }
        b"read" if !word.starts_with(b"-") => match last {
            [b'-', .., b'p' | b'd' | b'i'] => Reading::Text,
            [b'-', .., b't' | b'n' | b'N' | b'u'] => Reading::Number,
            _ if last.ends_with(b"<") || last.ends_with(b">") => Reading::Text,
            _ => Reading::Name,
        },
        b"printf" => match arguments.iter().position(|word| word.starts_with(b"-v")) {
            _ if last == b"-v" || word.starts_with(b"-v") => Reading::Name,
            Some(at) if arguments[at] == b"-v" => Reading::Value(arguments.get(at + 1).cloned().into_iter().collect()),
            Some(at) => Reading::Value(vec![arguments[at][2..].to_vec()]),
            None => Reading::Text,
        },
        b"unset" if !word.starts_with(b"-") && last != b"-f" => Reading::Name,
        b"getopts" if arguments.len() == 1 => Reading::Name,
        b"set" if last == b"-A" => Reading::Name,
        b"[" | b"test" if last == b"-v" || last == b"-R" => Reading::Name,
        b"let" => Reading::Number,
        b"compgen" if last == b"-W" => Reading::Expanded,
        b"for" | b"select" if arguments.get(1).is_some_and(|word| word == b"in") => {
            Reading::Value(vec![arguments[0].clone()])
        }
        _ => Reading::Text,
    }
}

/// Returns how the shell reads an argument of a command that declares variables.
fn declaration(command: &[u8], arguments: &[Vec<u8>], word: &[u8]) -> Reading {
    let is_option = |word: &&Vec<u8>| word.starts_with(b"-") || word.starts_with(b"+");
    let flags: Vec<u8> = arguments.iter().filter(is_option).flatten().copied().collect();
    let has = |letters: &[u8]| letters.iter().any(|letter| flags.contains(letter));
    let is_number = command == b"integer" || command == b"float" || has(b"iEF");
    let is_reference = command == b"nameref" || has(b"n");
    match assigned_name(word) {
        _ if has(b"f") => Reading::Text,
        Some(_) if is_number => Reading::Number,
        Some(_) if is_reference => Reading::Name,
        Some(_) if has(b"aA") && !word.contains(&b'(') => Reading::Array,
        Some(name) => Reading::Value(vec![name.to_vec()]),
        None if is_number || is_reference || has(b"aA") => Reading::Name,
        None => Reading::Declaration,
    }
}

/// Returns whether a text ends with a word that may be before a command.
pub(super) fn ends_with_keyword(text: &[u8]) -> bool {
    let start = text.iter().rposition(|byte| byte.is_ascii_whitespace() || b";&|()`".contains(byte));
    KEYWORDS.contains(&&text[start.map_or(0, |at| at + 1)..])
}

/// Returns whether the command at the start of a text changes the arguments of the line.
pub(super) fn changes_arguments(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| b";&|\n".contains(byte)).unwrap_or(text.len());
    let mut words = text[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    match words.next() {
        Some(b"shift") => true,
        Some(b"set") => {
            let mut is_name = false;
            words.any(|word| {
                let is_option = is_name || word.starts_with(b"-") || word.starts_with(b"+");
                is_name = word.ends_with(b"o");
                !is_option || word == b"--" || word == b"-"
            })
        }
        _ => false,
    }
}

/// Returns the variables that are numbers: those of bash, and those that the line declares.
fn numbers(line: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<> {
    let known = NUMBERS.iter().map(|name| name.to_vec());
    known.chain(declared(line, b"integer", b'i')).chain(declared(line, b"float", b'F'))
}

/// Returns the variables of a line whose values the shell evaluates wherever they are assigned.
pub(super) fn evaluated(line: &[u8]) -> impl Iterator<Item = (Vec<u8>, Check)> + use<> {
    // The shell expands PS4 with `set -x`.
    numbers(line).map(|name| (name, Check::NoCommand)).chain([(b"PS4".to_vec(), Check::Plain)])
}

/// Returns whether a line may calculate with a variable or an argument, also in quotes, which may contain a line for another
/// shell. The test command of ksh and mksh calculates with `-eq` and the like.
pub(super) fn calculates(line: &[u8]) -> bool {
    let starts = line.windows(2).enumerate().filter(|(_, pair)| *pair == b"((").map(|(at, _)| at + 2);
    let is_calculation = |at: usize| opening(&line[at..]) != Opening::Command && names_a_variable(&line[at..]);
    starts.into_iter().any(is_calculation)
        || compares_a_variable(line)
        || has_index_with_blanks(line)
        // The item may be in the argument, or come to the variable through a pipe.
        || line.windows(4).any(|part| part.starts_with(b"${!") && part[3].is_ascii_digit())
        || !declared(line, b"integer", b'i').is_empty()
        || !declared(line, b"float", b'F').is_empty()
}

/// Returns whether a line assigns to an element of an array whose index has blanks, as in `b[ $i ]=1`. The scanner does not take
/// these brackets for an index.
pub(super) fn has_index_with_blanks(line: &[u8]) -> bool {
    line.windows(2).enumerate().any(|(at, pair)| {
        let start = line[..at].iter().rposition(|&byte| byte == b'[');
        (pair == b"]=" || pair == b"]+")
            && start.is_some_and(|start| line[start..at].iter().any(u8::is_ascii_whitespace))
    })
}

/// Returns whether a calculation that begins here has the name of a variable or an argument. `${#x}` and `${x//[^0-9]/}` do not
/// count: they are numbers in any case.
fn names_a_variable(mut text: &[u8]) -> bool {
    while let Some((first, rest)) = text.split_first() {
        if text.starts_with(b"))") {
            return false;
        }
        let end = rest.iter().position(|&byte| byte == b'}').unwrap_or(rest.len());
        let is_number = text.starts_with(b"${#") || (text.starts_with(b"${") && rest[..end].ends_with(b"//[^0-9]/"));
        match is_number {
            true => text = &rest[end..],
            false if first.is_ascii_alphabetic() || b"$_".contains(first) => return true,
            false => text = rest,
        }
    }
    false
}

/// Returns whether a line has a word such as `-eq` next to a word that is not a number.
fn compares_a_variable(line: &[u8]) -> bool {
    let operators: [&[u8]; 6] = [b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge"];
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let is_number = |word: &[u8]| word.iter().all(|byte| byte.is_ascii_digit() || b"-+'\";".contains(byte));
    words.windows(3).any(|three| operators.contains(&three[1]) && !(is_number(three[0]) && is_number(three[2])))
}

/// Returns the associative arrays that a line declares.
pub(super) fn keyed(line: &[u8]) -> Vec<Vec<u8>> {
    declared(line, b"", b'A')
}

/// Returns the variables that a line declares with this command, or with an option that has this letter.
fn declared(line: &[u8], command: &[u8], letter: u8) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    for part in line.split(|byte| b";&|\n(){}".contains(byte)) {
        let words = split(part);
        let Some(at) = words.iter().position(|word| DECLARING.contains(&&word[..])) else { continue };
        let (options, arguments): (Vec<_>, Vec<_>) = words[at + 1..].iter().partition(|word| word.starts_with(b"-"));
        if words[at] == command || options.iter().any(|word| word.contains(&letter)) {
            names.extend(arguments.into_iter().filter_map(|word| Some(word[..name_length(word)?].to_vec())));
        }
    }
    names
}

/// Returns the name of the variable to which a word such as `x=y`, `x+=y` or `x[1]=y` assigns.
fn assigned_name(word: &[u8]) -> Option<&[u8]> {
    let (name, rest) = word.split_at(name_length(word)?);
    let rest = match rest.strip_prefix(b"[") {
        Some(index) => &index[index.windows(2).position(|pair| pair[0] == b']' && b"=+".contains(&pair[1]))? + 1..],
        None => rest,
    };
    (rest.starts_with(b"=") || rest.starts_with(b"+=")).then_some(name)
}

/// Returns the array in whose index a text ends, if the word of the array begins with a quote, as in `unset 'a[`.
pub(super) fn quoted_array(before: &[u8]) -> Option<&[u8]> {
    let start = before.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
    let word = &before[start..];
    let word = word.strip_prefix(b"'").or_else(|| word.strip_prefix(b"\""))?;
    let (array, rest) = word.split_at(name_length(word)?);
    rest.starts_with(b"[").then_some(array)
}

/// Returns the length of the name of a variable at the start of a text.
pub(super) fn name_length(text: &[u8]) -> Option<usize> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = text.iter().position(|byte| !is_name(byte)).unwrap_or(text.len());
    (length > 0 && !text[0].is_ascii_digit()).then_some(length)
}

/// Splits the text of a command into words, and removes their quotes. The last word is the one at the end of the text, and may
/// be empty.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut is_word) = (Vec::new(), Vec::new(), false);
    let (mut quote, mut depth) = (None, 0_u32);
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            _ if quote == Some(byte) => quote = None,
            b'\\' if quote != Some(b'\'') => word.extend(bytes.next()),
            _ if quote.is_some() => word.push(byte),
            b'\'' | b'"' | b'`' => quote = Some(byte),
            _ if byte.is_ascii_whitespace() && depth == 0 => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
                continue;
            }
            _ => {
                // The parentheses of a substitution and the braces of a parameter may contain blanks.
                match byte {
                    b'$' if bytes.peek().is_some_and(|next| b"({".contains(next)) => depth += 1,
                    b')' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                word.push(byte);
            }
        }
        is_word = true;
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests;
