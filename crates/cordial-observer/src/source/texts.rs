//! Texts of the program, which may have any length and any characters.

use std::sync::Arc;

use cordial::Pid;

/// How many bytes of a label are shown.
const MAX_LABEL: usize = 400;

/// Returns the beginning of a text, at most this many bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    &text[..end]
}

/// Returns the beginning of a text, at most this many bytes, followed by `…` if something was left out.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    if text.len() <= max { text.to_owned() } else { format!("{}…", cut(text, max)) }
}

/// Returns a label, or the beginning of a very long one.
pub(crate) fn bounded_label(label: &Arc<str>) -> Arc<str> {
    if label.len() <= MAX_LABEL { label.clone() } else { shortened(label, MAX_LABEL).into() }
}

/// Like [`bounded_label`], as a text of an answer.
pub(crate) fn shown_label(label: Option<&Arc<str>>) -> Option<String> {
    label.map(|label| shortened(label, MAX_LABEL))
}

/// How many bytes of a label are put into a sentence, so that the rest of the sentence stays near its beginning.
const MAX_IN_SENTENCE: usize = 80;

/// Returns the label of a process or, without one, its place; followed by its pid.
pub(crate) fn name_in_sentence(label: Option<&str>, place: &str, pid: Pid) -> String {
    match label {
        Some(label) => format!("{} {pid}", shortened(label, MAX_IN_SENTENCE)),
        None => format!("{place} {pid}"),
    }
}

/// Returns a text in which hidden characters are escaped, as `\u{202e}` for example, so that a label can imitate neither another label nor a line.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { visible.extend(c.escape_default()) } else { visible.push(c) }
    }
    visible
}

/// Returns whether a label with this character could look like another label: whether it is a control character, an invisible character, or a
/// character that changes the direction of the text around it. The two joiners are no such characters here, because scripts and emoji need them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{cut, shortened};

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!((cut("aé", 1), cut("aé", 2), cut("aé", 3)), ("a", "a", "aé"));
        assert_eq!((cut("é", 0), cut("", 0)), ("", ""));
        assert_eq!((&*shortened("abc", 3), &*shortened("abcd", 3)), ("abc", "abc…"));
    }
}
