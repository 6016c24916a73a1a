//! Texts of the program, which may have any length: only a bounded part of each is kept and sent.

use std::sync::Arc;

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

/// Returns the beginning of a text, with a mark if something was left out.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    if text.len() <= max { text.to_owned() } else { format!("{}…", cut(text, max)) }
}

/// Returns a label, or the beginning of a very long one.
pub(crate) fn bounded_label(label: &Arc<str>) -> Arc<str> {
    if label.len() <= MAX_LABEL { label.clone() } else { shortened(label, MAX_LABEL).into() }
}

/// Like [`bounded_label`], for an answer.
pub(crate) fn shown_label(label: Option<&Arc<str>>) -> Option<String> {
    label.map(|label| shortened(label, MAX_LABEL))
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
