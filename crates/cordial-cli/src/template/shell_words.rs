//! How a command of a shell line reads the word in which a placeholder or a variable is: as a text, or as something that the
//! shell evaluates. Where bash expects a number or a name, the text `a[$(id)]` runs a command.

use super::shell_check::{Check, EXPANDED, NUMBERS};
use super::shell_context::{Opening, opening};

/// How a word is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WordUse {
    Text,
    /// As the name of the command.
    Command,
    /// As a calculation.
    Number,
    /// As a text in which the shell performs substitutions.
    Expanded,
    /// As the name of a variable.
    Name,
    /// As the name of a variable, or as `NAME=VALUE`.
    Declaration,
    /// As a list of the values of an array, with the syntax of the shell.
    Array,
    /// As the value of these variables.
    Value(Vec<Vec<u8>>),
    /// As the value of a variable in a declaration: as a list if the variable is an array.
    DeclaredValue(Vec<u8>),
    /// As an argument of a command whose name is in a variable.
    Unknown,
}

/// Commands that declare the variables which are their arguments.
const DECLARING: [&[u8]; 8] =
    [b"declare", b"typeset", b"local", b"readonly", b"export", b"integer", b"float", b"nameref"];

/// What stands for a substitution whose end was found, in the text of a command.
pub(super) const SUBSTITUTION: &[u8] = b"$_";

/// The words that may be before a command.
const KEYWORDS: [&[u8]; 12] =
    [b"then", b"do", b"else", b"if", b"elif", b"while", b"until", b"!", b"{", b"time", b"builtin", b"command"];

/// Returns how the shell reads the last word of `before`, which is the text of a command up to a position in that word.
pub(super) fn reading(before: &[u8]) -> WordUse {
    let mut words = split(before);
    let word = words.pop().unwrap_or_default();
    if let Some(at) = (1..words.len()).rfind(|&at| begins_after_compound(&words[..at], &words[at])) {
        words.drain(..=at);
    }
    if let Some(reading) = reading_of_file(&words, &word) {
        return reading;
    }
    let skipped = n_before_command(&words);
    // An array may have several words.
    if let Some(at) = words[..skipped].iter().rposition(|word| word.contains(&b'(') && !word.ends_with(b")")) {
        return match words[at..].iter().position(|word| word.ends_with(b")")) {
            Some(end) => reading_after(&words[at + end + 1..], &word),
            None => WordUse::Value(assigned_name(&words[at]).map(<[u8]>::to_vec).into_iter().collect()),
        };
    }
    reading_after(&words[skipped..], &word)
}

/// Returns whether a word begins a command after a compound command, or after the name of a loop, without a `;`: as in `if (true) then x`.
fn begins_after_compound(before: &[Vec<u8>], word: &[u8]) -> bool {
    let is_end = |word: &[u8]| word == b"]]" || word == b"}" || word == SUBSTITUTION || word.ends_with(b")");
    let is_loop = matches!(before, [.., first, _] if first == b"for" || first == b"select");
    KEYWORDS[..6].contains(&word) && (is_loop || before.last().is_some_and(|word| is_end(word)))
        || word == b"{" && before.last().is_some_and(|word| word == SUBSTITUTION)
}

/// Returns how many of the words are before the name of the command: keywords, assignments, redirections and the like.
fn n_before_command(words: &[Vec<u8>]) -> usize {
    let (mut at, mut takes_options) = (0, false);
    while let Some(word) = words.get(at) {
        let is_option = takes_options && word.starts_with(b"-");
        let length = match &word[..] {
            b"function" => 2,
            b"coproc" => {
                if words.get(at + 2).is_some_and(|word| word == b"{") {
                    2
                } else {
                    1
                }
            }
            word if KEYWORDS.contains(&word) || assigned_name(word).is_some() || is_option => 1,
            word => match redirection(word) {
                Some((_, b"")) => 2,
                Some(_) => 1,
                None => break,
            },
        };
        takes_options = is_option || [&b"time"[..], b"builtin", b"command"].contains(&&word[..]);
        at += length;
    }
    at.min(words.len())
}

/// Returns the operator and the file of a redirection. The file is empty if it is the next word. `None` if the word is no redirection.
fn redirection(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let begins = descriptor_length(word);
    let begins = begins + usize::from(word[begins..].starts_with(b"&"));
    let operator = word[begins..].iter().take_while(|byte| b"<>|&-".contains(byte)).count();
    word.get(begins).is_some_and(|first| b"<>".contains(first)).then(|| word[begins..].split_at(operator))
}

/// Returns the length of the file descriptor before a redirection: a number, or `{x}` for a variable that gets the number.
fn descriptor_length(word: &[u8]) -> usize {
    match word.strip_prefix(b"{").and_then(|rest| Some((rest, name_length(rest)?))) {
        Some((rest, length)) if rest[length..].starts_with(b"}") => length + 2,
        _ => word.iter().take_while(|byte| byte.is_ascii_digit()).count(),
    }
}

/// Returns how the shell reads a word that follows these words, if it is the file of a redirection.
fn reading_of_file(words: &[Vec<u8>], word: &[u8]) -> Option<WordUse> {
    let last = || redirection(words.last()?).filter(|(_, file)| file.is_empty());
    match redirection(word).or_else(last)?.0 {
        // If the word is not a number, bash takes it for a file, and does the substitutions in the name once more.
        b">&" => Some(WordUse::Expanded),
        // `read` gets a text.
        b"<<<" => None,
        _ => Some(WordUse::Text),
    }
}

/// Returns the words without redirections and their files.
fn without_redirections(mut words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut others = Vec::new();
    while let Some((first, rest)) = words.split_first() {
        words = match redirection(first) {
            Some((_, b"")) => rest.get(1..).unwrap_or_default(),
            Some(_) => rest,
            None => {
                others.push(first.clone());
                rest
            }
        };
    }
    others
}

/// Returns how the shell reads a word that follows these words of a command.
fn reading_after(words: &[Vec<u8>], word: &[u8]) -> WordUse {
    let reading = known_reading(words, word);
    let Some((command, arguments)) = words.split_first() else { return reading };
    let is_option =
        |argument: &&Vec<u8>| argument.starts_with(b"-") || is_computed(argument) && assigned_name(argument).is_none();
    let has_computed_option = || arguments.iter().take_while(is_option).any(|option| is_computed(option));
    let is_uncertain = match (&command[..], &reading) {
        (b"printf" | b"wait", WordUse::Text) | (_, WordUse::DeclaredValue(_)) => has_computed_option(),
        (b"[" | b"test", WordUse::Text) => arguments.last().is_some_and(|operator| is_computed(operator)),
        _ => false,
    };
    if is_uncertain { WordUse::Unknown } else { reading }
}

/// Returns how the shell reads the word if no option of the command is computed.
fn known_reading(words: &[Vec<u8>], word: &[u8]) -> WordUse {
    let Some((command, arguments)) = words.split_first() else {
        return match assigned_name(word) {
            Some(name) => WordUse::Value(vec![name.to_vec()]),
            None => WordUse::Command,
        };
    };
    let is_text = word.starts_with(b"<<<") || arguments.last().is_some_and(|last| last == b"<<<");
    let arguments = without_redirections(arguments);
    let last = arguments.last().map_or(&b""[..], |word| &word[..]);
    match &command[..] {
        b"read" if is_text => {
            let names = arguments.iter().filter(|word| !word.is_empty() && !word.starts_with(b"-"));
            WordUse::Value(names.cloned().collect())
        }
        command if DECLARING.contains(&command) => declaration(command, &arguments, word),
        b"mapfile" | b"readarray" if !is_text && !word.starts_with(b"-") => match option_with(last, b"dnOsuCc") {
            Some(_) => WordUse::Text,
            None => WordUse::Name,
        },
        b"read" if !word.starts_with(b"-") => match option_with(last, b"Naditpnu") {
            Some(b'p' | b'd' | b'i') => WordUse::Text,
            Some(b't' | b'n' | b'N' | b'u') => WordUse::Number,
            _ => WordUse::Name,
        },
        b"printf" => match arguments.iter().position(|word| word.starts_with(b"-v")) {
            _ if last == b"-v" || word.starts_with(b"-v") => WordUse::Name,
            Some(at) if arguments[at] == b"-v" => WordUse::Value(arguments.get(at + 1).cloned().into_iter().collect()),
            Some(at) => WordUse::Value(vec![arguments[at][2..].to_vec()]),
            None => WordUse::Text,
        },
        b"unset" if !word.starts_with(b"-") && last != b"-f" => WordUse::Name,
        b"getopts" if arguments.len() == 1 => WordUse::Name,
        b"set" if last == b"-A" => WordUse::Name,
        b"[" | b"test" if last == b"-v" || last == b"-R" => WordUse::Name,
        b"let" => WordUse::Number,
        b"wait" if word.starts_with(b"-p") || (last.starts_with(b"-") && last.ends_with(b"p")) => WordUse::Name,
        b"compgen" if last == b"-W" || word.starts_with(b"-W") => WordUse::Expanded,
        b"for" | b"select" if arguments.get(1).is_some_and(|word| word == b"in") => {
            WordUse::Value(vec![arguments[0].clone()])
        }
        command if is_computed(command) => WordUse::Unknown,
        _ => WordUse::Text,
    }
}

/// Returns whether a word, without its quotes, may become another one: by a variable, a substitution, or the names of files.
fn is_computed(word: &[u8]) -> bool {
    let is_test = word == b"[" || word == b"[[";
    !is_test && word != b"{" && word.iter().any(|byte| b"$`{*?[".contains(byte))
}

/// Returns the option that takes the next word, if this word ends with one. `with_word` are all options of the command that take a word.
fn option_with(word: &[u8], with_word: &[u8]) -> Option<u8> {
    let letters = word.strip_prefix(b"-")?;
    let at = letters.iter().position(|letter| with_word.contains(letter))?;
    // Otherwise the rest of the word belongs to the option.
    (at + 1 == letters.len()).then_some(letters[at])
}

/// Returns how the shell reads an argument of a command that declares variables.
fn declaration(command: &[u8], arguments: &[Vec<u8>], word: &[u8]) -> WordUse {
    let is_option = |word: &&Vec<u8>| word.starts_with(b"-") || word.starts_with(b"+");
    let flags: Vec<u8> = arguments.iter().filter(is_option).flatten().copied().collect();
    let has = |letters: &[u8]| letters.iter().any(|letter| flags.contains(letter));
    let is_number = command == b"integer" || command == b"float" || has(b"iEF");
    let is_reference = command == b"nameref" || has(b"n");
    match assigned_name(word) {
        _ if has(b"f") => WordUse::Text,
        Some(_) if is_number => WordUse::Number,
        Some(_) if is_reference => WordUse::Name,
        Some(_) if has(b"aA") && !word.contains(&b'(') => WordUse::Array,
        Some(name) if word.contains(&b'(') => WordUse::Value(vec![name.to_vec()]),
        Some(name) => WordUse::DeclaredValue(name.to_vec()),
        None if is_number || is_reference || has(b"aA") => WordUse::Name,
        None => WordUse::Declaration,
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

/// Returns whether a line may perform the substitutions in the value of a variable or of an argument, as in `${x@P}`. A line that contains
/// one of the texts below anywhere counts as such a line, because a variable can get its value in many ways.
pub(super) fn expands(line: &[u8]) -> bool {
    let has = |text: &[u8]| line.windows(text.len()).any(|part| part == text);
    EXPANDED.iter().any(|name| has(name))
        || has(b"@P")
        || has(b"compgen")
        || expands_a_file(line)
        || (has_name(line, b"ENV") && runs_a_shell(line))
        || (has_name(line, b"eval") && builds_a_line(line))
}

/// Returns whether a line has the name of a shell: a shell may first run the commands in the file that `ENV` names.
fn runs_a_shell(line: &[u8]) -> bool {
    line.split(|byte| !byte.is_ascii_alphanumeric()).any(|word| word.ends_with(b"sh"))
}

/// Returns whether a line has parts from which `eval` may get a substitution such as `${x@P}` that is not in the line itself.
fn builds_a_line(line: &[u8]) -> bool {
    let mut after_quotes = line.split(|byte| *byte == b'\'').skip(1);
    line.iter().any(|byte| b"\\@".contains(byte))
        || after_quotes.any(|part| part.iter().any(|byte| b"$`".contains(byte)))
}

/// Returns whether a line may print its commands, each after `PS4`.
pub(super) fn traces(line: &[u8]) -> bool {
    let mut words = line.split(|byte| byte.is_ascii_whitespace() || b";&|()\"'".contains(byte));
    words.any(|word| word == b"xtrace" || (word.starts_with(b"-") && word.contains(&b'x')))
}

/// Returns whether the shell may perform the substitutions in the value of one of these variables. The line may compute their names.
pub(super) fn is_any_expanded(names: &[Vec<u8>]) -> bool {
    // An index does not change the name.
    let is_computed = |name: &[u8]| name.iter().take_while(|byte| **byte != b'[').any(|byte| b"$`".contains(byte));
    names.iter().any(|name| EXPANDED.contains(&&name[..]) || name == b"ENV" || is_computed(name))
}

/// Returns whether a line has a variable, an argument or a substitution in the file after `>&`: the shell may do the substitutions in
/// its value.
fn expands_a_file(line: &[u8]) -> bool {
    line.windows(2).enumerate().filter(|(_, pair)| *pair == b">&").any(|(at, _)| {
        let file = line[at + 2..].trim_ascii_start();
        let length = file.iter().position(|byte| byte.is_ascii_whitespace() || b";|()<>".contains(byte));
        file[..length.unwrap_or(file.len())].iter().any(|byte| b"$`".contains(byte))
    })
}

/// Returns the variables that are numbers: those of bash, and those that the line declares.
fn numbers(line: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<> {
    let known = NUMBERS.iter().map(|name| name.to_vec());
    known.chain(declared(line, b"integer", b'i')).chain(declared(line, b"float", b'F'))
}

/// Returns the variables of a line whose values the shell evaluates wherever they are assigned.
pub(super) fn evaluated(line: &[u8]) -> impl Iterator<Item = (Vec<u8>, Check)> + use<> {
    let references = declared(line, b"nameref", b'n').into_iter().map(|name| (name, Check::Name));
    let expanded = EXPANDED.iter().map(|name| (name.to_vec(), Check::Plain));
    numbers(line).map(|name| (name, Check::NoCommand)).chain(references).chain(expanded)
}

/// Returns whether a line may calculate with a variable or an argument, also in quotes, which may contain a line for another
/// shell. The test command of ksh and mksh calculates with `-eq` and the like.
pub(super) fn calculates(line: &[u8]) -> bool {
    let starts = line.windows(2).enumerate().filter(|(_, pair)| *pair == b"((").map(|(at, _)| at + 2);
    let is_calculation = |at: usize| opening(&line[at..]) != Opening::Command && names_a_variable(&line[at..]);
    starts.into_iter().any(is_calculation)
        || NUMBERS.iter().any(|name| has_name(line, name))
        // These commands read a text in quotes as a line of the same shell.
        || (has_name(line, b"let") && (has_name(line, b"eval") || has_name(line, b"trap")))
        // An alias may stand for any command.
        || has_name(line, b"alias")
        || has_name(line, b"BASH_ALIASES")
        || has_index_of_descriptor(line)
        || compares_a_variable(line)
        || has_index_with_blanks(line)
        // In `${!1}`, the argument may be the item. A declared number may get the item through a pipe.
        || line.windows(4).any(|part| part.starts_with(b"${!") && part[3].is_ascii_digit())
        || !declared(line, b"integer", b'i').is_empty()
        || !declared(line, b"float", b'F').is_empty()
        || !declared(line, b"nameref", b'n').is_empty()
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

/// Returns whether a line has a name as a whole word.
pub(super) fn has_name(line: &[u8], name: &[u8]) -> bool {
    line.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').any(|word| word == name)
}

/// Returns whether a line has `{name[`, which begins the variable for a file descriptor, as in `exec {x[0]}> FILE`.
fn has_index_of_descriptor(line: &[u8]) -> bool {
    let begins = |text: &[u8]| name_length(text).is_some_and(|length| text[length..].starts_with(b"["));
    line.iter().enumerate().any(|(at, &byte)| {
        byte == b'{' && at.checked_sub(1).is_none_or(|before| line[before] != b'$') && begins(&line[at + 1..])
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

/// Returns the arrays that a line declares, or to which it assigns a list.
pub(super) fn arrays(line: &[u8]) -> Vec<Vec<u8>> {
    let mut names = declared(line, b"", b'a');
    names.extend(keyed(line));
    let lists = line.windows(2).enumerate().filter(|(_, pair)| *pair == b"=(").map(|(at, _)| &line[..at]);
    names.extend(lists.filter_map(|before| {
        let before = before.strip_suffix(b"+").unwrap_or(before);
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let start = before.iter().rposition(|byte| !is_name(byte)).map_or(0, |at| at + 1);
        Some(before[start..].to_vec()).filter(|name| !name.is_empty())
    }));
    names
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
/// be empty. A redirection begins a word, also without a blank. In quotes, `<`, `>` and parentheses become NUL bytes, which no line
/// has, so that they are not taken for syntax.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut is_word) = (Vec::<Vec<u8>>::new(), Vec::new(), false);
    let (mut quote, mut depth) = (None, 0_u32);
    let mut bytes = text.iter().copied().peekable();
    let quoted = |byte| if b"<>()".contains(&byte) { 0 } else { byte };
    while let Some(byte) = bytes.next() {
        match byte {
            _ if quote == Some(byte) => quote = None,
            // The shell joins the two lines.
            b'\\' if quote != Some(b'\'') && bytes.peek() == Some(&b'\n') => {
                bytes.next();
                continue;
            }
            b'\\' if quote != Some(b'\'') => word.extend(bytes.next().map(quoted)),
            _ if quote.is_some() => word.push(quoted(byte)),
            b'\'' | b'"' => quote = Some(byte),
            b'`' => {
                quote = Some(byte);
                word.push(byte);
            }
            _ if byte.is_ascii_whitespace() && depth == 0 => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
                continue;
            }
            _ => {
                // After a file descriptor, or within an operator such as `>>`, the redirection does not begin here.
                let is_redirected = b"<>".contains(&byte) && depth == 0;
                if is_redirected && !word[descriptor_length(&word)..].iter().all(|byte| b"<>&|".contains(byte)) {
                    words.push(std::mem::take(&mut word));
                }
                // The parentheses of a substitution and the braces of a parameter may contain blanks.
                match byte {
                    b'$' if bytes.peek().is_some_and(|next| b"({".contains(next)) => depth += 1,
                    b'<' | b'>' if bytes.peek() == Some(&b'(') => depth += 1,
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
