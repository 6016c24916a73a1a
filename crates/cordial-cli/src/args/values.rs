//! Words of the command line as values, or a sentence about what is wrong with them.

use std::ffi::OsString;
use std::thread;
use std::time::Duration;

use crate::stop::halt::{Policy, Share, When};

/// How many commands may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jobs {
    Cores,
    Number(usize),
    /// As many as the system allows.
    Unlimited,
}

impl Jobs {
    /// `most` is what the system allows.
    pub(crate) fn number(self, most: usize) -> usize {
        match self {
            // Not knowing the cores is no reason to fail: one at a time is always right.
            Jobs::Cores => thread::available_parallelism().map_or(1, usize::from),
            Jobs::Number(number) => number,
            Jobs::Unlimited => most,
        }
    }
}

pub(super) fn jobs(text: &str) -> Result<Jobs, String> {
    match text.parse::<usize>() {
        _ if text == "cores" => Ok(Jobs::Cores),
        Ok(0) => Ok(Jobs::Unlimited),
        Ok(number) => Ok(Jobs::Number(number)),
        Err(_) => Err("give a whole number of commands, or 0 for as many as the system allows".to_owned()),
    }
}

pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    let hexadecimal = |digits: &str| u8::from_str_radix(digits, 16).ok();
    match text.as_bytes() {
        [byte] => Some(*byte),
        [b'\\', b'n'] => Some(b'\n'),
        [b'\\', b't'] => Some(b'\t'),
        [b'\\', b'r'] => Some(b'\r'),
        [b'\\', b'0'] => Some(0),
        [b'\\', b'\\'] => Some(b'\\'),
        [b'\\', b'x', ..] => hexadecimal(&text[2..]),
        _ => None,
    }
    .ok_or_else(|| "give one character of one byte, or \\n, \\t, \\r, \\0 or a number such as \\x2c".to_owned())
}

pub(super) fn placeholder(text: &str) -> Result<OsString, String> {
    if text.is_empty() { Err("an empty text stands everywhere and nowhere".to_owned()) } else { Ok(text.into()) }
}

/// A number without a unit is seconds, as for `timeout` and GNU parallel.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
    .map_err(|error| format!("{error}; give a duration such as 500ms, 30s or 1h 30m"))
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("no item can end within no time; leave the option out for no limit".to_owned()),
        limit => Ok(limit),
    }
}

pub(super) fn load(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(load) if load > 0.0 && load.is_finite() => Ok(load),
        _ => Err("give a load above 0, such as 4 or 1.5".to_owned()),
    }
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => Some(0),
        "K" => Some(10),
        "M" => Some(20),
        "G" => Some(30),
        "T" => Some(40),
        _ => None,
    };
    let size = shift.and_then(|shift| digits.parse::<u64>().ok()?.checked_mul(1 << shift));
    size.filter(|&size| size > 0).ok_or_else(|| "give a size such as 500M or 2G".to_owned())
}

pub(super) fn halt(text: &str) -> Result<Policy, String> {
    let parsed = || {
        let (when, why) = text.split_once(',')?;
        let when = match when {
            "soon" => When::Soon,
            "now" => When::Now,
            _ => return None,
        };
        let failed = why.strip_prefix("fail=")?;
        let failed = match failed.strip_suffix('%') {
            Some(percent) => Share::Percent(percent.parse().ok().filter(|percent| (1..=100).contains(percent))?),
            None => Share::Number(failed.parse().ok().filter(|&number| number > 0)?),
        };
        Some(Policy::Halt { when, failed })
    };
    if text == "never" {
        return Ok(Policy::Never);
    }
    parsed().ok_or_else(|| "give never, soon,fail=N, now,fail=N, soon,fail=N% or now,fail=N%".to_owned())
}
