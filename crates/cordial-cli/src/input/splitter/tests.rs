use std::future::poll_fn;

use tokio::sync::mpsc;

use super::*;

/// Returns the values of an input that arrives in these chunks.
async fn values(chunks: &[&str], max_bytes: usize) -> Vec<Value> {
    let (sender, receiver) = mpsc::channel(100);
    for chunk in chunks.iter().chain(&[""]) {
        sender.send(Ok(chunk.as_bytes().to_vec())).await.unwrap();
    }
    let mut splitter = Splitter::new(ReadAhead(receiver), ItemSeparator::Byte(b'\n'), max_bytes);
    let mut values = Vec::new();
    while let Some(value) = poll_fn(|cx| splitter.poll_next(cx)).await {
        values.push(value.unwrap().value);
    }
    values
}

fn whole(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::Whole(text.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn values_do_not_depend_on_chunk_boundaries() {
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
async fn only_the_start_of_a_long_value_is_kept() {
    let long = |start: &str, length| Value::TooLong { start: start.as_bytes().to_vec(), length };
    assert_eq!(values(&["abcd\nabc\n"], 3).await, [long("abcd", 4), Value::Whole(b"abc".to_vec())]);
    assert_eq!(values(&["ab", "cd", "ef", "\n", "x"], 3).await, [long("abcd", 6), Value::Whole(b"x".to_vec())]);
    let text = "x".repeat(2000);
    assert_eq!(values(&[&text], 3).await, [long(&text[..KEPT_BYTES], 2000)]);
}

#[tokio::test]
async fn an_input_without_an_end_is_an_error() {
    let (sender, receiver) = mpsc::channel(100);
    sender.send(Ok(b"a\nb".to_vec())).await.unwrap();
    drop(sender);
    let mut splitter = Splitter::new(ReadAhead(receiver), ItemSeparator::Byte(b'\n'), 10);
    let mut next = async || poll_fn(|cx| splitter.poll_next(cx)).await.map(|split| split.ok().map(|split| split.value));
    assert_eq!([next().await, next().await, next().await], [Some(Some(Value::Whole(b"a".to_vec()))), Some(None), None]);
}
