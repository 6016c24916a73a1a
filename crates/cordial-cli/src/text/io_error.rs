//! The text of a system error.

use std::io;

#[cfg(unix)]
use rustix::io::Errno;

/// Returns the text of an error without the number that the standard library appends: "No such file or directory".
pub(crate) fn describe(error: &io::Error) -> String {
    without_number(&error.to_string())
}

/// Returns the text of an error of a file that the program itself needs, and what to do about it.
pub(crate) fn with_advice(error: &io::Error) -> String {
    format!("{}{}", describe(error), advice(error))
}

/// Returns what to do about an error of a file that the program itself needs, after a semicolon; nothing if the text of the error
/// says enough.
#[cfg(unix)]
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => "; allow more open files (ulimit -n)",
        Some(Errno::NFILE) => "; the system has no further open file: end other programs",
        _ => "",
    }
}

/// Returns no advice: the texts of the errors say enough.
#[cfg(not(unix))]
pub(crate) fn advice(_: &io::Error) -> &'static str {
    ""
}

/// Returns the text of an error without the number of a system error, if the text contains one.
pub(crate) fn without_number(text: &str) -> String {
    match text.split_once(" (os error ") {
        Some((description, rest)) => {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            format!("{description}{after}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_number;

    #[test]
    fn the_number_of_a_system_error_is_left_out() {
        for (text, expected) in [
            ("Connection refused (os error 111)", "Connection refused"),
            ("error writing: Broken pipe (os error 32); again", "error writing: Broken pipe; again"),
            ("no number", "no number"),
        ] {
            assert_eq!(without_number(text), expected);
        }
    }
}
