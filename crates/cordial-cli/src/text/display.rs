//! Shows items and commands to a person: on one line, without control characters, and shortened.
//!
//! The result is for reading, not for parsing: bytes that are not UTF-8 become `�`. `shell_quote` writes text that a
//! shell can read back.

use std::ffi::OsString;

/// The number of characters after which an item or a word is cut.
const MAX_ITEM_CHARS: usize = 80;

/// The number of characters after which a command is cut. Larger than the limit of an item, so that a few arguments are
/// visible.
const MAX_COMMAND_CHARS: usize = 240;

/// Returns an item in double quotes, with control characters escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    // A character takes at most four bytes. One more than the limit is kept, so that `shortened` sees that it must cut.
    let visible = &bytes[..bytes.len().min(4 * (MAX_ITEM_CHARS + 1))];
    format!("{:?}", shortened(&String::from_utf8_lossy(visible), MAX_ITEM_CHARS))
}

/// Returns a word as a person would type it: unchanged if it needs no quotes, otherwise quoted.
fn word(word: &OsString) -> String {
    let text = word.to_string_lossy();
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-+./,:;=@%^~{}�".contains(c));
    if is_plain { shortened(&text, MAX_ITEM_CHARS) } else { quoted(word.as_encoded_bytes()) }
}

/// Returns a command as a person would type it.
pub(crate) fn command(words: &[OsString]) -> String {
    let mut text = String::new();
    for each in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word(each));
        // A command may have thousands of words: those beyond the limit are not visible anyway.
        if text.len() > 4 * MAX_COMMAND_CHARS {
            break;
        }
    }
    shortened(&text, MAX_COMMAND_CHARS)
}

fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
