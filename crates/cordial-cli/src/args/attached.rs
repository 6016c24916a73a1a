//! Optional values that are attached to short options, as in `xargs -i@`. clap accepts an optional value only after `=`, so
//! `-i@` becomes `--replace=@`. clap also drops the `=` of `-d=`, which here is the value, so `-d=` becomes `-d =`.

use std::ffi::OsString;

use clap::{Arg, Command};

/// Short options whose value is attached or left out, and their long names.
const OPTIONAL: [(u8, &str); 3] = [(b'i', "--replace="), (b'e', "--eof="), (b'l', "--max-lines=")];

/// Rewrites the words after `cordial map`. An attached value of `-i`, `-e` or `-l` is passed to the long option instead. The value `=` of any
/// other short option becomes a word of its own. The command and its arguments stay as they are.
///
/// With `--nats`, `--group NAME` becomes `--fleet-group NAME`. Elsewhere `--group` is an option without a value.
pub(super) fn normalize(words: Vec<OsString>, map: &Command) -> Vec<OsString> {
    match normalize_as(words.clone(), map, GroupOption::OfFleet) {
        (normalized, true) => normalized,
        (_, false) => normalize_as(words, map, GroupOption::Flag).0,
    }
}

/// The meaning of the option `--group`: a flag as in GNU parallel, or the name of a group of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GroupOption {
    Flag,
    /// The next word is its value.
    OfFleet,
}

/// Returns the words, and whether `--nats` is among the options.
fn normalize_as(words: Vec<OsString>, map: &Command, group: GroupOption) -> (Vec<OsString>, bool) {
    let mut normalized = Vec::with_capacity(words.len());
    let mut words = words.into_iter();
    let mut is_fleet = false;
    while let Some(mut word) = words.next() {
        let name = word.as_encoded_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
        is_fleet |= name == b"--nats";
        if name == b"--group" && group == GroupOption::OfFleet {
            word = word.to_string_lossy().replacen("--group", "--fleet-group", 1).into();
        }
        let bytes = word.as_encoded_bytes();
        let is_option = bytes.starts_with(b"-") && bytes.len() > 1 && bytes != b"--";
        if !is_option {
            normalized.push(word);
            break;
        }
        let takes_next = match bytes.strip_prefix(b"--") {
            Some(name) => {
                !name.contains(&b'=') && map.get_arguments().any(|arg| takes_next_word(arg) && has_long(arg, name))
            }
            None => match split_short_options(&word, map) {
                ShortOptions::Complete => false,
                ShortOptions::TakesNext => true,
                ShortOptions::Attached(options, value) => {
                    normalized.extend(options);
                    normalized.push(value);
                    continue;
                }
            },
        };
        normalized.push(word);
        if takes_next {
            normalized.extend(words.next());
        }
    }
    normalized.extend(words);
    (normalized, is_fleet)
}

/// How a word of short options, such as `-kj4`, is read.
enum ShortOptions {
    /// The word needs no rewriting and does not consume the next word.
    Complete,
    /// The next word is the value of the last option.
    TakesNext,
    /// The words to write instead: the options before the value, if there are any, and the value, with its long option unless it is a lone `=`.
    Attached(Option<OsString>, OsString),
}

fn split_short_options(word: &OsString, map: &Command) -> ShortOptions {
    let Some(text) = word.to_str() else { return ShortOptions::Complete };
    for (at, short) in text.char_indices().skip(1) {
        let rest = &text[at + short.len_utf8()..];
        if let Some((_, long)) = OPTIONAL.iter().find(|(byte, _)| char::from(*byte) == short) {
            if rest.is_empty() {
                return ShortOptions::Complete;
            }
            let value = rest.strip_prefix('=').filter(|value| !value.is_empty()).unwrap_or(rest);
            let flags = (at > 1).then(|| OsString::from(&text[..at]));
            return ShortOptions::Attached(flags, format!("{long}{value}").into());
        }
        if map.get_arguments().any(|arg| takes_next_word(arg) && has_short(arg, short)) {
            return match rest {
                "" => ShortOptions::TakesNext,
                "=" => ShortOptions::Attached(Some(text[..text.len() - 1].into()), "=".into()),
                _ => ShortOptions::Complete,
            };
        }
    }
    ShortOptions::Complete
}

/// Returns whether an option takes the next word as its value.
pub(super) fn takes_next_word(arg: &Arg) -> bool {
    !arg.is_positional() && arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn has_short(arg: &Arg, short: char) -> bool {
    arg.get_short_and_visible_aliases().unwrap_or_default().contains(&short)
        || arg.get_all_short_aliases().unwrap_or_default().contains(&short)
}

fn has_long(arg: &Arg, name: &[u8]) -> bool {
    let is_name = |long: &str| long.as_bytes() == name;
    arg.get_long().is_some_and(is_name) || arg.get_all_aliases().unwrap_or_default().into_iter().any(is_name)
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::super::item_options::ItemOptions;
    use super::*;

    #[test]
    fn attached_values_become_long_options() {
        let map = ItemOptions::augment_args(Command::new("map"));
        let map = map.arg(Arg::new("jobs").short('j').short_alias('P').long("concurrency").alias("jobs"));
        let map = map.arg(Arg::new("keep").short('k').action(clap::ArgAction::SetTrue));
        let map = &map.arg(Arg::new("nats").long("nats")).arg(Arg::new("fleet-group").long("fleet-group"));
        for (given, expected) in [
            ("-i@ echo -iX", "--replace=@ echo -iX"),
            ("-kiX -l5 -e_ true", "-k --replace=X --max-lines=5 --eof=_ true"),
            ("-i -l -e echo", "-i -l -e echo"),
            ("-d -i -j2 --jobs -l3 -n1 echo", "-d -i -j2 --jobs -l3 -n1 echo"),
            ("--jobs=2 -P -l3 -l2 x", "--jobs=2 -P -l3 --max-lines=2 x"),
            ("-- -i@", "-- -i@"),
            ("--group g --nats u -l5 x", "--fleet-group g --nats u --max-lines=5 x"),
            ("--nats=u --group=g x --group y", "--nats=u --fleet-group=g x --group y"),
            ("--nats u x --group y", "--nats u x --group y"),
            ("--nats u -- --group y", "--nats u -- --group y"),
            ("--group -l5 x --nats u", "--group --max-lines=5 x --nats u"),
            ("-d, -Ii -E -e1", "-d, -Ii -E -e1"),
            ("-d= -0C= -E=x -i= -e=y x -d=", "-d = -0C = -E=x --replace== --eof=y x -d="),
        ] {
            let words = given.split(' ').map(OsString::from).collect();
            assert_eq!(normalize(words, map).join(" ".as_ref()), expected, "{given}");
        }
    }
}
