//! Words as `xargs` without options reads them: blanks and newlines separate words, a backslash takes the next character
//! as it is, and text between two single or two double quotes on one line is taken as it is. White space of any kind before
//! a word has no meaning. With `xargs -I`, only newlines separate words.

use std::io;

/// Reads words byte by byte.
#[derive(Debug)]
pub(super) struct WordReader {
    /// Whether a blank ends a word.
    ends_at_blanks: bool,
    /// The quote that is open.
    quote: Option<u8>,
    is_escaped: bool,
    /// Whether a word has begun. A word may be empty, in quotes.
    has_begun: bool,
    /// The number of newlines that were read before the current line.
    n_lines: u64,
}

impl WordReader {
    /// Returns a reader of words, or of lines if blanks do not end a word.
    pub(super) fn new(ends_at_blanks: bool) -> WordReader {
        WordReader { ends_at_blanks, quote: None, is_escaped: false, has_begun: false, n_lines: 0 }
    }

    /// Reads a byte, and passes it to `add` if it belongs to a word. If the byte ends a word, returns whether it is a newline.
    ///
    /// # Errors
    ///
    /// When a quote is not closed on its line.
    pub(super) fn next(&mut self, byte: u8, add: &mut impl FnMut(u8)) -> io::Result<Option<bool>> {
        let is_newline = byte == b'\n';
        let end = self.take(byte, is_newline, add)?;
        self.n_lines += u64::from(is_newline);
        Ok(end)
    }

    fn take(&mut self, byte: u8, is_newline: bool, add: &mut impl FnMut(u8)) -> io::Result<Option<bool>> {
        match self.quote {
            Some(_) if is_newline => return Err(self.unmatched()),
            Some(quote) if byte == quote => self.quote = None,
            Some(_) => add(byte),
            None if std::mem::take(&mut self.is_escaped) => add(byte),
            None if byte == b'\\' => (self.is_escaped, self.has_begun) = (true, true),
            None if byte == b'\'' || byte == b'"' => (self.quote, self.has_begun) = (Some(byte), true),
            None if !self.has_begun && !is_newline && (byte.is_ascii_whitespace() || byte == b'\x0b') => {}
            None if is_newline || self.ends_at_blanks && b" \t".contains(&byte) => {
                return Ok(std::mem::take(&mut self.has_begun).then_some(is_newline));
            }
            None => {
                self.has_begun = true;
                add(byte);
            }
        }
        Ok(None)
    }

    /// Checks that the input may end here.
    ///
    /// # Errors
    ///
    /// When a quote is open.
    pub(super) fn end(&self) -> io::Result<()> {
        if self.quote.is_some() { Err(self.unmatched()) } else { Ok(()) }
    }

    fn unmatched(&self) -> io::Error {
        let kind = if self.quote == Some(b'"') { "double" } else { "single" };
        let line = self.n_lines + 1;
        io::Error::other(format!("line {line} has an unmatched {kind} quote; without --words, quotes have no meaning"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each word with a `;` after the last word of a line, a `.` after a word at the end of the text, and a `|` after the others.
    fn words(text: &str, ends_at_blanks: bool) -> io::Result<String> {
        let (mut reader, mut read) = (WordReader::new(ends_at_blanks), String::new());
        for byte in text.bytes() {
            let mut word = String::new();
            let end = reader.next(byte, &mut |byte| word.push(byte.into()))?;
            read.push_str(&word);
            read.push_str(match end {
                Some(true) => ";",
                Some(false) => "|",
                None => "",
            });
        }
        reader.end()?;
        read.push_str(if reader.has_begun { "." } else { "" });
        Ok(read)
    }

    #[test]
    fn blanks_separate_words_except_in_quotes() {
        for (text, expected) in [
            ("a b\n", "a|b;"),
            ("\n\n a \n\nb", "a|b."),
            ("'a  b' \"c'd\"\n''\n", "a  b|c'd;;"),
            ("a\\ b \\\"c\\\nd\n", "a b|\"c\nd;"),
            ("x'y 'z", "xy z."),
            (" \r\x0b x\r\x0c\n", "x\r\x0c;"),
        ] {
            assert_eq!(words(text, true).unwrap(), expected, "{text:?}");
        }
        assert!(words("a\n'b\nc'", true).unwrap_err().to_string().contains("line 2 has an unmatched single quote"));
        assert!(words("\"b", true).unwrap_err().to_string().contains("double quote"));
    }

    #[test]
    fn only_newlines_end_a_line_with_quotes() {
        for (text, expected) in
            [("a b \n", "a b ;"), (" 'c  d' \"e\"\n\n \n", "c  d e;"), ("f\\\ng\n", "f\ng;"), ("h", "h.")]
        {
            assert_eq!(words(text, false).unwrap(), expected, "{text:?}");
        }
    }
}
