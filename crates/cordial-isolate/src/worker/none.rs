//! The worker, on systems without pools: no process is a worker.

use crate::functions::Functions;

/// Does nothing, because this process is not a worker.
pub(crate) fn serve_if_worker(_functions: &Functions) {}
