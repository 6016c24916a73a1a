//! Where records begin and end.

use memchr::memmem::{Finder, FinderRev};

/// The texts between two records: the end of one, and the start of the next.
#[derive(Clone, Debug)]
pub(crate) struct Separator {
    finder: Finder<'static>,
    reverse: FinderRev<'static>,
    end_length: usize,
}

impl Separator {
    /// Records end with `end` and begin with `start`. If both are empty, every byte is a record.
    pub(crate) fn new(end: &[u8], start: &[u8]) -> Separator {
        let text = [end, start].concat();
        Separator {
            finder: Finder::new(&text).into_owned(),
            reverse: FinderRev::new(&text).into_owned(),
            end_length: end.len(),
        }
    }

    /// Returns the last position in a text, after its start, at which a record begins.
    pub(super) fn last(&self, text: &[u8]) -> Option<usize> {
        if self.length() == 0 {
            return Some(text.len()).filter(|&end| end > 0);
        }
        self.reverse.rfind(text).map(|at| at + self.end_length).filter(|&at| at > 0)
    }

    /// Finds the first separator in a text that begins at `from` or later, and returns the position at which the next record begins: after
    /// the end of the earlier record, and at the start of the next one.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        if self.length() == 0 {
            return Some(from).filter(|&at| at <= text.len());
        }
        self.finder.find(text.get(from..)?).map(|at| from + at + self.end_length)
    }

    /// Returns the position from which the end of the record that begins at `start` is searched.
    pub(super) fn search_after(&self, start: usize) -> usize {
        // If records have only a start, the separator at the start of a record does not end that record.
        if self.end_length == 0 { start + 1 } else { start }
    }

    /// Returns the length of a separator: of the end of a record and the start of the next one together.
    pub(super) fn length(&self) -> usize {
        self.finder.needle().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_begin_after_ends_and_at_starts() {
        for (end, start, text, all) in [
            ("\n", "", "a\nb\n\nc", &[2, 4, 5][..]),
            ("\n", "", "\n", &[1]),
            ("\n", "", "abc", &[]),
            ("", ">", ">a>b>", &[2, 4]),
            ("", ">", "x>a", &[1]),
            ("\n", ">", ">a\n>b\nc\n", &[3]),
            (";;", "", ";;;;a", &[2, 4]),
            ("", "", "abc", &[1, 2, 3]),
        ] {
            let separator = Separator::new(end.as_bytes(), start.as_bytes());
            let text = text.as_bytes();
            let mut found = Vec::new();
            while let Some(at) = separator.next(text, separator.search_after(found.last().copied().unwrap_or(0))) {
                found.push(at);
            }
            assert_eq!(found, all, "{end:?} {start:?} {text:?}");
            assert_eq!(separator.last(text), all.last().copied(), "{end:?} {start:?} {text:?}");
        }
    }
}
