//! The text of a system error.

use std::io;

/// Returns the text of an error without the number that the standard library appends: "No such file or directory".
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((description, _)) => description.to_owned(),
        None => text,
    }
}
