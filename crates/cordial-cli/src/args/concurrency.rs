//! How many commands run at once, in all forms of GNU parallel.

use std::fs;
use std::path::PathBuf;
use std::thread;

use crate::text::{display, io_error};

const EXPECTED: &str = "expected a whole number of commands, or 0 for as many as the system allows; or +N, -N or N% of the cores; or a \
                        file that contains one of these";

/// The file of `-c` makes at most this many commands run at once, unless it contains a larger number at the start.
const MAX_FROM_FILE: usize = 1024;

/// Without a file of `-c`, signals make at most this many more commands run at once.
const MAX_FROM_SIGNALS: usize = 128;

/// The value of `-c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    Number(usize),
    /// As many as the system allows.
    Maximum,
    /// This many more than cores.
    CoresPlus(usize),
    /// This many fewer than cores, at least one.
    CoresMinus(usize),
    /// This percentage of the cores, at least one.
    Percent(usize),
    /// The value that this file contains. The file may change during the run.
    File(PathBuf),
}

impl Concurrency {
    /// Returns how far signals or the file can raise the number of commands that run at once. `initial` is the number at the start.
    pub(crate) fn max(&self, initial: usize) -> usize {
        match self {
            Concurrency::File(_) => MAX_FROM_FILE.max(initial),
            _ => initial.saturating_add(MAX_FROM_SIGNALS),
        }
    }

    /// Returns whether the value may mean several commands at once. The default, 100%, does not count.
    pub(crate) fn is_several(&self) -> bool {
        !matches!(self, Concurrency::Percent(100) | Concurrency::Number(1))
    }

    /// Returns the number of commands. `max` is the largest number that the system allows.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be read, or contains no number in one of the other forms.
    pub(crate) fn number(&self, max: usize) -> Result<usize, String> {
        // If the number of cores is unknown, one command at a time always works.
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        Ok(match self {
            Concurrency::Number(number) => *number,
            Concurrency::Maximum => max,
            Concurrency::CoresPlus(more) => cores().saturating_add(*more),
            Concurrency::CoresMinus(fewer) => cores().saturating_sub(*fewer).max(1),
            Concurrency::Percent(percent) => (cores().saturating_mul(*percent) / 100).max(1),
            Concurrency::File(path) => {
                let text = fs::read_to_string(path).map_err(|error| {
                    format!(
                        "cannot read the number of commands from {} (-c): {}",
                        path.display(),
                        io_error::describe(&error)
                    )
                })?;
                let number = parse_number(text.trim()).ok_or_else(|| {
                    format!("{} (-c) contains {}: {EXPECTED}", path.display(), display::quoted(text.trim().as_bytes()))
                })?;
                return number.number(max);
            }
        })
    }

    /// Parses the value. A text that is not a number has to be the name of a file that exists.
    pub(super) fn parse(text: &str) -> Result<Concurrency, String> {
        match parse_number(text) {
            Some(number) => Ok(number),
            None if !text.is_empty() && fs::metadata(text).is_ok_and(|metadata| !metadata.is_dir()) => {
                Ok(Concurrency::File(text.into()))
            }
            None => Err(EXPECTED.to_owned()),
        }
    }
}

fn parse_number(text: &str) -> Option<Concurrency> {
    // A sign is read here, and `parse` would accept another one.
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    if let Some(more) = text.strip_prefix('+') {
        return digits(more).map(Concurrency::CoresPlus);
    }
    if let Some(fewer) = text.strip_prefix('-') {
        return digits(fewer).map(Concurrency::CoresMinus);
    }
    if let Some(percent) = text.strip_suffix('%') {
        return digits(percent).map(Concurrency::Percent);
    }
    digits(text).map(|number| if number == 0 { Concurrency::Maximum } else { Concurrency::Number(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_gnu_parallel_are_parsed() {
        for (text, expected) in [
            ("3", Some(Concurrency::Number(3))),
            ("0", Some(Concurrency::Maximum)),
            ("+0", Some(Concurrency::CoresPlus(0))),
            ("+2", Some(Concurrency::CoresPlus(2))),
            ("-1", Some(Concurrency::CoresMinus(1))),
            ("200%", Some(Concurrency::Percent(200))),
            ("", None),
            ("+", None),
            ("--1", None),
            ("+-1", None),
            ("1.5", None),
            ("%", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(Concurrency::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_depend_on_the_cores_and_are_at_least_one() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for (concurrency, number) in [
            (Concurrency::Maximum, 77),
            (Concurrency::CoresPlus(2), cores + 2),
            (Concurrency::CoresMinus(100_000), 1),
            (Concurrency::Percent(100), cores),
            (Concurrency::Percent(300), 3 * cores),
            (Concurrency::Percent(0), 1),
        ] {
            assert_eq!(concurrency.number(77), Ok(number), "{concurrency:?}");
        }
    }
}
