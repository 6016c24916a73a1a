//! Writes the standard input of a command (`--pipe`).

use std::io::{self, ErrorKind};

use crate::pipe::{Block, ItemInput};
use crate::system::InputPipe;

/// Writes the blocks of a command, and closes its input. A command that stops reading early has what it wants, so that is
/// no error.
///
/// # Errors
///
/// When the pipe cannot be written for another reason.
///
/// # Cancel safety
///
/// Dropping the future closes the input, of which a part may be written.
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

/// Writes a block, and returns whether the command may read more.
async fn write(pipe: &mut InputPipe, block: &Block, input: &ItemInput) -> io::Result<bool> {
    let bytes = block.bytes();
    let mut at = 0;
    while at < bytes.len() {
        match pipe.write(&bytes[at..]).await {
            Ok(n) => {
                at += n;
                input.add_sent(n);
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(error),
        }
        if at < bytes.len() {
            tokio::task::yield_now().await;
        }
    }
    Ok(true)
}
