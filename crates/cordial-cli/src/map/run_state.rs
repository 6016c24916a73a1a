//! The state that is needed to end the run after the root task.

use std::sync::{Arc, Mutex, OnceLock, mpsc};

use crate::system::{GroupTable, StopSignal};

/// What the end of the run needs. Clones share it.
#[derive(Clone, Default)]
pub(super) struct RunState {
    pub(super) groups: GroupTable,
    /// The first signal that asked the run to stop.
    pub(super) stop_signal: Arc<OnceLock<StopSignal>>,
    /// Is disconnected when the threads that run commands have ended.
    pub(super) launcher_end: Arc<OnceLock<Mutex<mpsc::Receiver<()>>>>,
}
