//! The options of a server that its connections share.

use std::time::Duration;

/// What the setters of [`Serve`](super::Serve) set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) max_connections: usize,
    pub(super) header_limit: Duration,
    pub(super) max_header_bytes: usize,
    pub(super) write_limit: Duration,
    pub(super) grace: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_connections: 10_000,
            header_limit: Duration::from_secs(30),
            max_header_bytes: 64 * 1024,
            write_limit: Duration::from_secs(30),
            // Less than the 5 s that a supervisor grants its children by default.
            grace: Duration::from_secs(4),
        }
    }
}
