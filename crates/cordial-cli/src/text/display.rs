//! How foreign text is shown to a person: on one line, without control characters, and not too long.
//!
//! What is shown is for reading, not for parsing: bytes that are not UTF-8 become `�`.

use std::ffi::OsString;

/// More of an item says no more to a person.
const LONGEST_TEXT: usize = 80;

/// A command may have a few arguments worth seeing.
const LONGEST_COMMAND: usize = 240;

/// An item between quotes, with what cannot be shown escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    // Four bytes are the most that one character takes; the one more shows that something was cut off.
    let enough = &bytes[..bytes.len().min(4 * (LONGEST_TEXT + 1))];
    format!("{:?}", shortened(&String::from_utf8_lossy(enough), LONGEST_TEXT))
}

/// A word as a person would write it: as it is when it is plain, else between quotes.
pub(crate) fn word(word: &OsString) -> String {
    let text = word.to_string_lossy();
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-+./,:;=@%^~{}�".contains(c));
    if is_plain { shortened(&text, LONGEST_TEXT) } else { quoted(word.as_encoded_bytes()) }
}

/// A command as a person would write it.
pub(crate) fn command(words: &[OsString]) -> String {
    let mut text = String::new();
    for each in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word(each));
        if text.len() > 4 * LONGEST_COMMAND {
            break;
        }
    }
    shortened(&text, LONGEST_COMMAND)
}

fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
