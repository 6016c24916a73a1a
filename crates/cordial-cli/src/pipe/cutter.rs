//! Decides where a buffer is cut into blocks. Pure: the reader thread moves the bytes.

use super::separator::Separator;

/// How large blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockSize {
    /// As many records as fit into this many bytes, or one that is longer.
    Bytes(usize),
    /// This many records.
    Records(usize),
    /// `left` bytes of input in `n_left` blocks of about the same size; in fewer blocks, if a record is longer than a block. If the input
    /// has grown, more blocks follow, of `share` bytes each.
    Shares { left: u64, n_left: u64, share: u64 },
}

impl BlockSize {
    /// Returns the largest size of the next block in bytes, unless its first record is longer; `None` if records are counted.
    fn bytes(self) -> Option<usize> {
        match self {
            BlockSize::Bytes(size) => Some(size),
            // One byte more than is left, so that `cut_bytes` waits for the end of the input. Otherwise a last record without a
            // separator after it would become a block of its own.
            BlockSize::Shares { left, n_left: 1, .. } => Some(left.saturating_add(1) as usize),
            BlockSize::Shares { n_left: 0, share, .. } => Some(share.max(1) as usize),
            BlockSize::Shares { left, n_left, .. } => Some(left.div_ceil(n_left).max(1) as usize),
            BlockSize::Records(_) => None,
        }
    }
}

/// Finds the end of the next block.
#[derive(Debug)]
pub(super) struct Cutter {
    separator: Separator,
    size: BlockSize,
    /// How many complete records of the next block were found, and the end of the last one.
    records: (usize, usize),
    /// The search continues here: separators that begin before this position were examined. 0 if nothing was searched.
    searched: usize,
}

impl Cutter {
    pub(super) fn new(separator: Separator, size: BlockSize) -> Cutter {
        Cutter { separator, size, records: (0, 0), searched: 0 }
    }

    /// Returns the largest size of the next block and the separator of its records; `None` if a block is a number of records.
    pub(super) fn bytes(&self) -> Option<(usize, &Separator)> {
        Some((self.size.bytes()?, &self.separator))
    }

    /// Counts a block. `next` calls this; the caller calls it only for a block that was cut without `next`.
    pub(super) fn count(&mut self, length: u64) {
        if let BlockSize::Shares { left, n_left, .. } = &mut self.size {
            // The input may grow.
            (*left, *n_left) = (left.saturating_sub(length), n_left.saturating_sub(1));
        }
    }

    /// Returns the length of the next block, or `None` if more of the input has to be read. `text` begins where the last
    /// block ended, and is not empty. After a call that returned `None`, `text` begins with the `text` of that call.
    pub(super) fn next(&mut self, text: &[u8], is_end: bool) -> Option<usize> {
        let cut = match (self.size, self.size.bytes()) {
            (BlockSize::Records(number), _) => self.cut_records(text, number),
            (_, bytes) => self.cut_bytes(text, bytes.unwrap_or(usize::MAX), is_end),
        };
        let cut = if is_end { cut.or(Some(text.len())) } else { cut };
        if let Some(length) = cut {
            (self.records, self.searched) = ((0, 0), 0);
            self.count(length as u64);
        }
        cut
    }

    fn cut_bytes(&mut self, text: &[u8], size: usize, is_end: bool) -> Option<usize> {
        if text.len() <= size && is_end {
            return Some(text.len());
        }
        if text.len() < size {
            return None;
        }
        if self.searched == 0
            && let Some(last) = self.separator.last(&text[..size])
        {
            return Some(last);
        }
        // The first record is longer than a block.
        let first = self.unsearched(size).max(self.separator.search_after(0));
        let next = self.separator.next(text, self.searched.max(first));
        self.searched = self.unsearched(text.len());
        next
    }

    fn cut_records(&mut self, text: &[u8], number: usize) -> Option<usize> {
        let (mut n, mut end) = self.records;
        let mut from = self.searched.max(self.separator.search_after(end));
        while n < number {
            match self.separator.next(text, from) {
                Some(next) => (n, end, from) = (n + 1, next, self.separator.search_after(next)),
                None => {
                    self.records = (n, end);
                    self.searched = self.unsearched(text.len());
                    return None;
                }
            }
        }
        Some(end)
    }

    /// Returns the first position that was not searched in a text of `length` bytes: a separator that begins there ends after the text.
    fn unsearched(&self, length: usize) -> usize {
        (length + 1).saturating_sub(self.separator.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a text that arrives in pieces of `step` bytes.
    fn cut(text: &str, end: &str, start: &str, size: BlockSize, step: usize) -> Vec<String> {
        let mut cutter = Cutter::new(Separator::new(end.as_bytes(), start.as_bytes()), size);
        let (mut at, mut known, mut blocks) = (0, 0, Vec::new());
        while at < text.len() {
            let is_end = known == text.len();
            match cutter.next(&text.as_bytes()[at..known], is_end) {
                Some(length) => {
                    blocks.push(text[at..at + length].to_owned());
                    at += length;
                    assert!(length > 0);
                }
                None => known = (known + step).min(text.len()),
            }
            while at == known && known < text.len() {
                known = (known + step).min(text.len());
            }
        }
        blocks
    }

    #[test]
    fn records_are_never_cut() {
        use BlockSize::{Bytes, Records, Shares};
        for (text, end, start, size, expected) in [
            ("a\nb\nc\n", "\n", "", Bytes(4), &["a\nb\n", "c\n"][..]),
            ("a\nb\nc\n", "\n", "", Bytes(5), &["a\nb\n", "c\n"]),
            ("a\nb\nc", "\n", "", Bytes(100), &["a\nb\nc"]),
            // Records that are longer than a block.
            ("abcdef\ng\nhi\n", "\n", "", Bytes(3), &["abcdef\n", "g\n", "hi\n"]),
            ("abcdefgh", "\n", "", Bytes(3), &["abcdefgh"]),
            (">aaa>b>c", "", ">", Bytes(3), &[">aaa", ">b", ">c"]),
            (">a\n>b\nb\n>c\n", "\n", ">", Bytes(4), &[">a\n", ">b\nb\n", ">c\n"]),
            ("abcdefg", "", "", Bytes(3), &["abc", "def", "g"]),
            ("a;;b;;;;c", ";;", "", Bytes(2), &["a;;", "b;;", ";;", "c"]),
            ("1\n2\n3\n4\n5", "\n", "", Records(2), &["1\n2\n", "3\n4\n", "5"]),
            (">a>b>c", "", ">", Records(1), &[">a", ">b", ">c"]),
            (">a>b>c", "", ">", Records(2), &[">a>b", ">c"]),
            ("a;;b;;;;c", ";;", "", Records(2), &["a;;b;;", ";;c"]),
            ("\n\n\n", "\n", "", Records(2), &["\n\n", "\n"]),
            ("1\n2\n3\n4\n5\n", "\n", "", Shares { left: 10, n_left: 3, share: 4 }, &["1\n2\n", "3\n", "4\n5\n"]),
            ("aaaaaaaa\nb\nc\n", "\n", "", Shares { left: 13, n_left: 3, share: 5 }, &["aaaaaaaa\n", "b\n", "c\n"]),
            ("1\n2\n3\n4", "\n", "", Shares { left: 7, n_left: 2, share: 4 }, &["1\n2\n", "3\n4"]),
            // The input has grown.
            ("1\n2\n3\n", "\n", "", Shares { left: 2, n_left: 2, share: 1 }, &["1\n", "2\n", "3\n"]),
            ("1\n2\n3\n4\n5\n6\n", "\n", "", Shares { left: 4, n_left: 1, share: 4 }, &["1\n2\n", "3\n4\n", "5\n6\n"]),
        ] {
            for step in 1..=text.len() + 1 {
                assert_eq!(cut(text, end, start, size, step), expected, "{text:?} {end:?} {start:?} {size:?} {step}");
            }
        }
    }
}
