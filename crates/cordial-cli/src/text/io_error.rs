//! The text of a system error.

use std::io;

/// Returns the text of an error without the number that the standard library appends: "No such file or directory".
pub(crate) fn describe(error: &io::Error) -> String {
    without_number(&error.to_string())
}

/// Returns the text of an error, which may contain that of a system error, without the number of that one.
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
