//! `--json`: an item as a JSON object on one line.
//!
//! ```text
//! {"index":3,"item":"a","status":{"code":0},"seconds":0.013000,"attempts":1,"stdout":"…","stderr":""}
//! ```
//!
//! `item` is a list if the item has several values. If a value of a field is not UTF-8, each value of this field is
//! encoded in base64, and the name of the field ends in `_base64`. Outputs may be larger than memory, so they are written block by block.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::copy::{CaptureBlocks, CopyError, fail_read_back};
use crate::item::{self, Item};
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::Capture;
use crate::system::{self, Termination};

/// Writes the object of one item, and a newline. An output that cannot be read makes the item fail.
///
/// # Cancel safety
///
/// Dropping the future may leave a part written.
pub(super) async fn write_object<W: AsyncWrite + Unpin>(
    outcome: &mut Outcome,
    output: &mut W,
) -> Result<(), CopyError> {
    // The output is read before the status is written, because an output that cannot be read makes the item fail.
    let checked = [is_utf8(&mut outcome.stdout), is_utf8(&mut outcome.stderr)];
    let [is_stdout_text, is_stderr_text] = checked.map(|checked| {
        checked.unwrap_or_else(|error| {
            fail_read_back(outcome, error);
            true
        })
    });
    let head = format!(
        "{{\"index\":{},{},\"status\":{},\"seconds\":{:.6},\"attempts\":{}",
        outcome.item.index,
        item_field(&outcome.item),
        status(&outcome.result),
        outcome.duration.as_secs_f64(),
        outcome.attempts,
    );
    output.write_all(head.as_bytes()).await.map_err(CopyError::Write)?;
    let fields = [("stdout", &mut outcome.stdout, is_stdout_text), ("stderr", &mut outcome.stderr, is_stderr_text)];
    for (name, capture, is_text) in fields {
        let written = match is_text {
            true => write_text(name, capture, output).await,
            false => write_base64(name, capture, output).await,
        };
        if matches!(written, Err(CopyError::Read(_))) {
            // The object ends within the output, so that the next one has a line of its own.
            output.write_all(b"\"}\n").await.map_err(CopyError::Write)?;
        }
        written?;
    }
    output.write_all(b"}\n").await.map_err(CopyError::Write)
}

fn item_field(item: &Item) -> String {
    let values: Vec<&[u8]> = item.values.iter().map(item::Value::bytes).collect();
    let texts: Result<Vec<&str>, _> = values.iter().map(|value| std::str::from_utf8(value)).collect();
    let one_or_list = |mut all: Vec<Value>| if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
    match texts {
        Ok(texts) => format!("\"item\":{}", one_or_list(texts.into_iter().map(Value::from).collect())),
        Err(_) => {
            let encoded = values.iter().map(|value| Value::from(STANDARD.encode(value))).collect();
            format!("\"item_base64\":{}", one_or_list(encoded))
        }
    }
}

fn status(result: &Result<(), ItemFailure>) -> Value {
    match result {
        Ok(()) => json!({ "code": 0 }),
        Err(ItemFailure::Unsuccessful(status)) => match system::termination(*status) {
            Termination::Exited(code) => json!({ "code": code }),
            Termination::Signaled(signal) => json!({ "signal": signal }),
        },
        Err(ItemFailure::TimedOut(limit)) => json!({ "timeout": limit.as_secs_f64() }),
        Err(
            failure @ (ItemFailure::NotStarted { .. }
            | ItemFailure::NotRun
            | ItemFailure::NoHost
            | ItemFailure::NoProgram
            | ItemFailure::FileNotSent(_)
            | ItemFailure::ItemTooLong { .. }
            | ItemFailure::ArgumentTooLong { .. }
            | ItemFailure::NulByte { .. }
            | ItemFailure::NotUnicode
            | ItemFailure::NotANumber
            | ItemFailure::NotAName
            | ItemFailure::IsIndex
            | ItemFailure::IsExpanded
            | ItemFailure::OnlyInBash(_)),
        ) => json!({ "not_started": failure.to_string() }),
        Err(failure) => json!({ "error": failure.to_string() }),
    }
}

fn is_utf8(capture: &mut Capture) -> io::Result<bool> {
    let mut reader = capture.reader()?;
    let mut block = vec![0; 64 * 1024];
    // The number of bytes of an unfinished character at the start of the block.
    let mut held = 0;
    loop {
        let n = reader.read(&mut block[held..])?;
        if n == 0 {
            return Ok(held == 0);
        }
        match unfinished_bytes(&block[..held + n]) {
            None => return Ok(false),
            Some(unfinished) => {
                let end = held + n;
                block.copy_within(end - unfinished..end, 0);
                held = unfinished;
            }
        }
    }
}

/// Returns how many bytes at the end form an incomplete character; `None` if the other bytes are not UTF-8.
fn unfinished_bytes(bytes: &[u8]) -> Option<usize> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Some(0),
        Err(error) if error.error_len().is_none() => Some(bytes.len() - error.valid_up_to()),
        Err(_) => None,
    }
}

async fn write_text<W: AsyncWrite + Unpin>(name: &str, capture: &mut Capture, output: &mut W) -> Result<(), CopyError> {
    write_field_start(name, output).await?;
    let mut held = Vec::new();
    let mut blocks = CaptureBlocks::new(capture)?;
    while let Some(block) = blocks.next()? {
        held.extend_from_slice(block);
        let whole = held.len() - unfinished_bytes(&held).unwrap_or(0);
        let quoted = Value::from(String::from_utf8_lossy(&held[..whole])).to_string();
        held.drain(..whole);
        output.write_all(&quoted.as_bytes()[1..quoted.len() - 1]).await.map_err(CopyError::Write)?;
    }
    output.write_all(b"\"").await.map_err(CopyError::Write)
}

async fn write_base64<W: AsyncWrite + Unpin>(
    name: &str,
    capture: &mut Capture,
    output: &mut W,
) -> Result<(), CopyError> {
    write_field_start(&format!("{name}_base64"), output).await?;
    let mut held = Vec::new();
    let mut blocks = CaptureBlocks::new(capture)?;
    while let Some(block) = blocks.next()? {
        held.extend_from_slice(block);
        // Three bytes become four characters; one or two remaining bytes wait for the next block.
        let whole = held.len() / 3 * 3;
        let encoded = STANDARD.encode(&held[..whole]);
        held.drain(..whole);
        output.write_all(encoded.as_bytes()).await.map_err(CopyError::Write)?;
    }
    output.write_all(STANDARD.encode(&held).as_bytes()).await.map_err(CopyError::Write)?;
    output.write_all(b"\"").await.map_err(CopyError::Write)
}

async fn write_field_start<W: AsyncWrite + Unpin>(name: &str, output: &mut W) -> Result<(), CopyError> {
    output.write_all(format!(",\"{name}\":\"").as_bytes()).await.map_err(CopyError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_the_shell_would_evaluate_was_not_started() {
        for failure in [ItemFailure::NotANumber, ItemFailure::NotAName, ItemFailure::IsIndex, ItemFailure::IsExpanded] {
            let text = failure.to_string();
            assert_eq!(status(&Err(failure)), json!({ "not_started": text }));
        }
    }

    #[test]
    fn an_item_without_a_program_was_not_started() {
        let text = ItemFailure::NoProgram.to_string();
        assert_eq!(status(&Err(ItemFailure::NoProgram)), json!({ "not_started": text }));
    }
}
