//! Parsers for the values of options. The error of a parser says which values it accepts.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use crate::input::Trim;
use crate::stop::halt::HaltPolicy;

/// The option `--header :`: the first item of each source is the name of the values of that source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header;

/// Parses one byte, with the escapes of `xargs`.
pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Some(*byte),
        [b'\\', b'a'] => Some(b'\x07'),
        [b'\\', b'b'] => Some(b'\x08'),
        [b'\\', b'v'] => Some(b'\x0b'),
        [b'\\', b'f'] => Some(b'\x0c'),
        [b'\\', b'0'..=b'7', ..] => byte(&text[1..], 8),
        _ => escaped(text),
    }
    .ok_or_else(|| {
        "expected a single-byte character, or \\n, \\t, \\r, \\0, \\\\, a hexadecimal byte such as \\x2c or an octal one such as \\054"
            .to_owned()
    })
}

/// Returns the byte for an escape that is the same in all options.
fn escaped(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [b'\\', b'n'] => Some(b'\n'),
        [b'\\', b't'] => Some(b'\t'),
        [b'\\', b'r'] => Some(b'\r'),
        [b'\\', b'0'] => Some(0),
        [b'\\', b'\\'] => Some(b'\\'),
        [b'\\', b'x', ..] => byte(&text[2..], 16),
        _ => None,
    }
}

/// Parses the digits of a byte. A sign is refused, although `from_str_radix` accepts one.
fn byte(digits: &str, radix: u32) -> Option<u8> {
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    u8::from_str_radix(digits, radix).ok().filter(|_| is_number)
}

pub(super) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| not_a_number(text, "expected a number of at least 1"))
}

fn not_a_number(text: &str, expected: &str) -> String {
    let is_large = text.trim_start_matches('0').len() > 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_large { "the number is too large".to_owned() } else { expected.to_owned() }
}

/// Parses a number that may be 0.
pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| not_a_number(text, "expected a whole number of at least 0"))
}

pub(super) fn nice(text: &str) -> Result<i32, String> {
    let by = text.parse().ok().filter(|by| (1..=19).contains(by));
    by.ok_or_else(|| "expected a whole number from 1 to 19".to_owned())
}

pub(super) fn variable_name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(['=', '\0']) {
        true => Err("expected the name of a variable, such as SLOT".to_owned()),
        false => Ok(text.to_owned()),
    }
}

pub(super) fn placeholder(text: &str) -> Result<OsString, String> {
    if text.is_empty() { Err("the text must not be empty".to_owned()) } else { Ok(text.into()) }
}

pub(super) fn colsep(text: &str) -> Result<Regex, String> {
    let expected = "expected a regular expression, such as , or '[ \\t]+'";
    let build = |is_unicode| RegexBuilder::new(text).unicode(is_unicode).build();
    // Items are bytes, and need not be UTF-8. But a set of characters such as `[é]` compiles only in Unicode mode.
    let parsed = build(false).or_else(|error| build(true).map_err(|_| error)).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{reason}; {expected}; to match a special character such as | itself, write \\| or '[|]'")
    })?;
    match (text.is_empty(), parsed.captures_len()) {
        (true, _) => Err(expected.to_owned()),
        // Expressions such as `|`, ` *` and `\b` match an empty text, so they would split the text where there is no separator.
        _ if [&b""[..], b"a"].iter().any(|text| parsed.find_iter(text).any(|found| found.is_empty())) => {
            Err("the regular expression also matches an empty text, so it would split at every character: write \\| or '[|]' for the character |, and + instead of *".to_owned())
        }
        (_, 1) => Ok(parsed),
        // `split` of Perl, which GNU parallel uses, also returns the text that a capture group matches, as a column of its own.
        _ => Err("a group is not supported, because GNU parallel makes a column of its text: write (?:…) instead of (…)".to_owned()),
    }
}

pub(super) fn trim(text: &str) -> Result<Trim, String> {
    match text {
        "n" => Ok(Trim { left: false, right: false }),
        "l" => Ok(Trim { left: true, right: false }),
        "r" => Ok(Trim { left: false, right: true }),
        "lr" | "rl" => Ok(Trim { left: true, right: true }),
        _ => Err("expected n (none), l (left), r (right) or lr (both)".to_owned()),
    }
}

pub(super) fn header(text: &str) -> Result<Header, String> {
    match text {
        ":" => Ok(Header),
        _ => Err("expected : for names in the first item of each source; to drop the first line, write tail -n +2 FILE | cordial map …; \
                  to repeat it in each block of --pipe, make the command '(head -n 1 FILE; cat) | COMMAND'"
            .to_owned()),
    }
}

/// Parses a duration. A number without a unit is in seconds, as for `timeout` and GNU parallel.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() => Err("this is not a number".to_owned()),
        Ok(seconds) if seconds < 0.0 => Err("a time cannot be negative".to_owned()),
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| "the time is too long".to_owned()),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
    .map_err(|error| format!("{error}; expected a duration such as 500ms, 30s or 1h 30m"))
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    if text.ends_with('%') {
        return Err(
            "a percentage of the time that other commands took is not supported: give a time, such as 30s".to_owned()
        );
    }
    match duration(text)? {
        Duration::ZERO => Err("the timeout must be longer than 0; for no timeout, leave out the option".to_owned()),
        limit => Ok(limit),
    }
}

/// The size of a block of `--pipe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockOption {
    Bytes(u64),
    /// The file is cut into as many blocks as there are slots, times this number.
    PerSlot(u64),
}

pub(super) fn block(text: &str) -> Result<BlockOption, String> {
    match text.strip_prefix('-') {
        Some(number) => number.parse().ok().filter(|&number| number > 0).map(BlockOption::PerSlot),
        None => size(text).ok().map(BlockOption::Bytes),
    }
    .ok_or_else(|| "expected a size such as 500K or 2M, or -N for N blocks per slot".to_owned())
}

/// The text of `--recend` or `--recstart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordSeparator(pub(crate) Vec<u8>);

/// Parses the text of a separator. It may contain the escapes of GNU parallel, and `\x` with two digits.
pub(super) fn separator(text: &str) -> Result<RecordSeparator, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let escape = (first == '\\').then(|| if rest[1..].starts_with('x') { rest.get(..4) } else { rest.get(..2) });
        let part = match escape {
            Some(Some(quote @ ("\\'" | "\\\""))) => {
                bytes.push(quote.as_bytes()[1]);
                quote
            }
            Some(Some(escape)) => match escaped(escape) {
                Some(byte) => {
                    bytes.push(byte);
                    escape
                }
                // As in GNU parallel, a backslash before any other character is a character of the text.
                None => {
                    bytes.push(b'\\');
                    &rest[..1]
                }
            },
            _ => {
                bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
                &rest[..first.len_utf8()]
            }
        };
        rest = &rest[part.len()..];
    }
    Ok(RecordSeparator(bytes))
}

pub(super) fn load(text: &str) -> Result<f64, String> {
    let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
    let load = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent * cores / 100.0),
        None => text.parse::<f64>(),
    };
    match load {
        Ok(load) if load > 0.0 && load.is_finite() => Ok(load),
        _ => Err("expected a load above 0, such as 4 or 1.5, or a percentage of the cores, such as 200%".to_owned()),
    }
}

/// Parses a size. As for GNU parallel, `1K` and `1ki` are 1024 bytes, and `1k` is 1000.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let is_decimal = unit.starts_with(|c: char| c.is_ascii_lowercase()) && !unit.contains(['i', 'I']);
    let base: u64 = if is_decimal { 1000 } else { 1024 };
    let power = match unit.to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => Some(0),
        "K" => Some(1),
        "M" => Some(2),
        "G" => Some(3),
        "T" => Some(4),
        _ => None,
    };
    let size = power.and_then(|power| match digits.parse::<u64>() {
        Ok(number) => number.checked_mul(base.pow(power)),
        // GNU parallel also accepts a fraction, such as 1.5M.
        Err(_) => {
            let size = digits.parse::<f64>().ok()? * base.pow(power) as f64;
            (size >= 1.0 && size < u64::MAX as f64).then_some(size as u64)
        }
    });
    size.filter(|&size| size > 0).ok_or_else(|| "expected a size such as 500M or 2G".to_owned())
}

pub(super) fn halt(text: &str) -> Result<HaltPolicy, String> {
    HaltPolicy::parse(text).ok_or_else(|| {
        "expected never, soon,X=N or now,X=N, where X is fail, success or done, and N may be a percentage".to_owned()
    })
}
