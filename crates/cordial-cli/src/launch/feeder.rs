//! Writes the standard input of a command (`--pipe`).

use std::io::{self, ErrorKind};

use crate::pipe::{Block, BlockBytes, ItemInput};
use crate::system::InputPipe;

/// Writes all blocks of a command to the input of the command, and closes the input. A command that closes its input before it has read
/// all blocks is not an error.
///
/// # Errors
///
/// When the pipe cannot be written for another reason, or the file of a block cannot be read. The kind is `UnexpectedEof` if that file has
/// become shorter.
///
/// # Cancel safety
///
/// Dropping the future closes the input. Some of the blocks may have been written before.
pub(super) async fn feed(pipe: Option<InputPipe>, input: Option<&ItemInput>) -> io::Result<()> {
    let (Some(mut pipe), Some(input)) = (pipe, input) else { return Ok(()) };
    if let Some(block) = input.block()
        && !write(&mut pipe, &block, input).await?
    {
        return Ok(());
    }
    while let Some(block) = input.next_block().await {
        if !write(&mut pipe, &block, input).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Writes a block, and returns whether the command still has its input open.
async fn write(pipe: &mut InputPipe, block: &Block, input: &ItemInput) -> io::Result<bool> {
    let bytes = block.bytes();
    let (length, is_spliced) = match bytes {
        BlockBytes::Memory(bytes) => (bytes.len(), false),
        BlockBytes::File { length, .. } => (length, true),
    };
    pipe.enlarge(length, is_spliced);
    let mut at = 0;
    while at < length {
        let written = match bytes {
            BlockBytes::Memory(bytes) => pipe.write(&bytes[at..]).await,
            BlockBytes::File { file, at: start, .. } => {
                let n = pipe.splice(file, start + at as u64, length - at).await;
                n.and_then(|n| if n == 0 { Err(has_shrunk()) } else { Ok(n) })
            }
        };
        match written {
            Ok(n) => {
                at += n;
                input.add_sent(n);
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(error),
        }
        if at < length {
            tokio::task::yield_now().await;
        }
    }
    Ok(true)
}

fn has_shrunk() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the file of the input has become shorter during the run")
}
