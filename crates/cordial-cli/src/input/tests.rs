use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;

use tokio::io::ReadBuf;

use super::*;

/// Gives the chunks it was made of, one per read, and counts the reads.
struct Chunks {
    chunks: VecDeque<io::Result<Vec<u8>>>,
    reads: usize,
}

impl Chunks {
    fn new(chunks: impl IntoIterator<Item = io::Result<Vec<u8>>>) -> Self {
        Chunks { chunks: chunks.into_iter().collect(), reads: 0 }
    }
}

impl AsyncRead for Chunks {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reads += 1;
        match self.chunks.pop_front() {
            Some(chunk) => Poll::Ready(chunk.map(|bytes| buffer.put_slice(&bytes))),
            None => Poll::Ready(Ok(())),
        }
    }
}

async fn next<R: AsyncRead + Unpin>(items: &mut Items<R>) -> Option<io::Result<Item>> {
    poll_fn(|cx| Pin::new(&mut *items).poll_next(cx)).await
}

async fn lines(chunks: &[&[u8]], longest: usize) -> Vec<Line> {
    let mut items = pin!(Items::new(Chunks::new(chunks.iter().map(|chunk| Ok(chunk.to_vec()))), longest));
    let mut lines = Vec::new();
    while let Some(item) = next(&mut items).await {
        let item = item.unwrap();
        lines.push(item.line);
        assert_eq!(item.number, lines.len() as u64);
    }
    lines
}

fn whole(bytes: &[u8]) -> Line {
    Line::Whole(bytes.to_vec())
}

fn too_long(start: &[u8], length: u64) -> Line {
    Line::TooLong { start: start.to_vec(), length }
}

#[tokio::test]
async fn a_line_is_what_stands_before_a_newline() {
    type Bytes = &'static [u8];
    let cases: &[(&[Bytes], &[Bytes])] = &[
        (&[], &[]),
        (&[b"\n"], &[b""]),
        (&[b"\n\n"], &[b"", b""]),
        (&[b"a\nb\n"], &[b"a", b"b"]),
        (&[b"a\nb"], &[b"a", b"b"]),
        (&[b"a\r\nb\r"], &[b"a\r", b"b\r"]),
        (&[b"a", b"b", b"\n", b"c"], &[b"ab", b"c"]),
        (&[b"a\n", b"\n", b"b"], &[b"a", b"", b"b"]),
        (&[b"\xff\xfe\n\0\n"], &[b"\xff\xfe", b"\0"]),
    ];
    for (chunks, expected) in cases {
        let expected: Vec<Line> = expected.iter().map(|line| whole(line)).collect();
        assert_eq!(lines(chunks, 8).await, expected, "{chunks:?}");
    }
}

#[tokio::test]
async fn a_line_beyond_the_limit_is_counted_and_thrown_away() {
    assert_eq!(lines(&[b"abc\nabcd\nabc"], 3).await, [whole(b"abc"), too_long(b"abcd", 4), whole(b"abc")]);
    assert_eq!(lines(&[b"ab", b"cd", b"ef", b"\nx\n"], 3).await, [too_long(b"abcd", 6), whole(b"x")]);
    assert_eq!(lines(&[b"abcd"], 3).await, [too_long(b"abcd", 4)]);
}

#[tokio::test]
async fn of_a_huge_line_only_the_start_is_held() {
    let chunk = vec![b'x'; CHUNK];
    let mut items = Items::new(Chunks::new((0..1000).map(|_| Ok(chunk.clone()))), 100_000);
    let Some(Ok(Item { line: Line::TooLong { start, length }, .. })) = next(&mut items).await else {
        panic!("a long line")
    };
    assert_eq!(length, 1000 * CHUNK as u64);
    assert_eq!(start, vec![b'x'; START]);
    assert!(start.capacity() < 2 * START);
}

#[tokio::test]
async fn nothing_is_read_before_it_is_needed() {
    let mut items = Items::new(Chunks::new([Ok(b"a\nb\n".to_vec()), Ok(b"c\n".to_vec())]), 8);
    assert_eq!(items.reader.get_ref().reads, 0);
    for (line, reads) in [(b"a", 1), (b"b", 1), (b"c", 2)] {
        assert_eq!(next(&mut items).await.unwrap().unwrap().line, whole(line));
        assert_eq!(items.reader.get_ref().reads, reads);
    }
}

#[tokio::test]
async fn an_error_is_the_last_thing() {
    let mut items =
        Items::new(Chunks::new([Ok(b"a\nb".to_vec()), Err(io::Error::other("gone")), Ok(b"c\n".to_vec())]), 8);
    assert_eq!(next(&mut items).await.unwrap().unwrap().line, whole(b"a"));
    assert_eq!(next(&mut items).await.unwrap().unwrap_err().to_string(), "gone");
    assert!(next(&mut items).await.is_none());
}
