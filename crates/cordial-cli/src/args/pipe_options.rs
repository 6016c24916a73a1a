//! Options for an input that is cut into blocks (`--pipe`).

use super::values;

/// Options for an input that is cut into blocks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Items")]
pub(crate) struct PipeOptions {
    /// Cut the input into blocks of lines; each command reads one
    #[arg(long, visible_alias = "spreadstdin")]
    pub(crate) pipe: bool,

    /// Like --pipe, with the file of -a as the input
    #[arg(long, alias = "pipepart", hide = true)]
    pub(crate) pipe_part: bool,

    /// The size of a block; -N: N blocks per slot [default: 1M]
    #[arg(long, aliases = ["block-size", "blocksize"], value_name = "SIZE", value_parser = values::block, allow_hyphen_values = true, hide = true)]
    pub(crate) block: Option<values::BlockOption>,

    /// Records end with TEXT instead of a newline
    #[arg(long, value_name = "TEXT", value_parser = values::separator, allow_hyphen_values = true, hide = true)]
    pub(crate) recend: Option<values::RecordSeparator>,

    /// Records start with TEXT
    #[arg(long, value_name = "TEXT", value_parser = values::separator, allow_hyphen_values = true, hide = true)]
    pub(crate) recstart: Option<values::RecordSeparator>,

    /// One command per slot, which reads many blocks
    #[arg(long, aliases = ["round", "roundrobin"], hide = true)]
    pub(crate) round_robin: bool,
}

impl PipeOptions {
    pub(crate) fn is_on(&self) -> bool {
        self.pipe || self.pipe_part || self.round_robin
    }
}
