use std::future::poll_fn;

use tokio::sync::mpsc;

use super::*;

/// The values of an input that comes in these chunks.
async fn values(chunks: &[&str], longest: usize) -> Vec<Value> {
    let (sender, receiver) = mpsc::channel(100);
    for chunk in chunks {
        sender.send(Ok(chunk.as_bytes().to_vec())).await.unwrap();
    }
    drop(sender);
    let mut lines = Lines::new(Ahead(receiver), b'\n', longest);
    let mut values = Vec::new();
    while let Some(value) = poll_fn(|cx| lines.poll_next(cx)).await {
        values.push(value.unwrap());
    }
    values
}

fn whole(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::Whole(text.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn chunks_may_end_anywhere() {
    for (chunks, texts) in [
        (&[][..], &[][..]),
        (&["a\nb\n"], &["a", "b"]),
        (&["a\nb"], &["a", "b"]),
        (&["a", "b", "\n", "c"], &["ab", "c"]),
        (&["\n\n", "\n"], &["", "", ""]),
        (&["a\n", "\nb"], &["a", "", "b"]),
    ] {
        assert_eq!(values(chunks, 10).await, whole(texts), "{chunks:?}");
    }
}

#[tokio::test]
async fn of_a_value_too_long_only_the_start_is_kept() {
    let long = |start: &str, length| Value::TooLong { start: start.as_bytes().to_vec(), length };
    assert_eq!(values(&["abcd\nabc\n"], 3).await, [long("abcd", 4), Value::Whole(b"abc".to_vec())]);
    assert_eq!(values(&["ab", "cd", "ef", "\n", "x"], 3).await, [long("abcd", 6), Value::Whole(b"x".to_vec())]);
    let much = "x".repeat(2000);
    assert_eq!(values(&[&much], 3).await, [long(&much[..START], 2000)]);
}
