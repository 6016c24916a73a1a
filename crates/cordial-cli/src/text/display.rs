//! Shows items and commands to a person: on one line, without control characters, and shortened.
//!
//! The result is for reading, not for parsing: bytes that are not UTF-8 become `�`. `shell_quote` writes text that a
//! shell can read back.

/// The number of characters after which an item or a word is cut.
const MAX_ITEM_CHARS: usize = 80;

/// The number of characters after which a command is cut. Larger than the limit of an item, so that a few arguments are
/// visible.
const MAX_COMMAND_CHARS: usize = 240;

/// Erases the progress bar. The cursor has to be at the start of the bar. If the bar was drawn when the window was wider, the
/// terminal may have moved its end to the rows below, which are erased as well. The blank is first, because some terminals keep a copy of the
/// screen when it is erased from its first column on.
pub(crate) const ERASE_BAR: &str = "\r \x1b[J\r";

/// Returns an item in double quotes, shortened, with control characters escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    // A character takes at most four bytes. One more than the limit is kept, so that `shortened` sees that it must cut.
    let visible = &bytes[..bytes.len().min(4 * (MAX_ITEM_CHARS + 1))];
    format!("{:?}", shortened(&String::from_utf8_lossy(visible), MAX_ITEM_CHARS))
}

/// Returns a command for a shell as it was typed, but on one line and shortened.
pub(crate) fn line(bytes: &[u8]) -> String {
    let visible = &bytes[..bytes.len().min(4 * (MAX_COMMAND_CHARS + 1))];
    let text = String::from_utf8_lossy(visible);
    let mut one_line = String::new();
    for c in text.trim().chars() {
        match c {
            '\'' | '"' | '\\' => one_line.push(c),
            _ => one_line.extend(c.escape_debug()),
        }
    }
    shortened(&one_line, MAX_COMMAND_CHARS)
}

/// Returns a word as it may have been typed: unchanged if it needs no quotes, otherwise quoted.
fn word(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-+./,:;=@%^~{}�".contains(c));
    if is_plain { shortened(&text, MAX_ITEM_CHARS) } else { quoted(word) }
}

/// Returns the words of a command as they may have been typed, shortened.
pub(crate) fn command(words: &[Vec<u8>]) -> String {
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

/// The same as `quoted`, without the quotes around the text.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let quoted = quoted(bytes);
    quoted[1..quoted.len() - 1].to_owned()
}

fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
