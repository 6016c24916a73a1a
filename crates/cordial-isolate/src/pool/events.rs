//! The `tracing` events of a pool.
//!
//! | event | target | level | fields |
//! |---|---|---|---|
//! | `worker_output` | `cordial_isolate::output` | info | stream, worker (OS process), function, pid (of the process that stands for the call); the message is the line |
//! | `worker_lost` | `cordial_isolate` | warn | worker, function, cause |
//! | `worker_not_started` | `cordial_isolate` | warn | error, attempt |
//! | `pool_gave_up` | `cordial_isolate` | error | error |
//!
//! Each has its name in the field `event`, and a message.

use cordial::{LostCause, Pid};
use tracing::{Level, event};

use super::error::PoolError;
use super::output::StdStream;
use crate::unwind::contain;

const OUTPUT: &str = "cordial_isolate::output";

/// Returns whether a subscriber may take lines of output. Cheap: reads only the global maximum level.
pub(super) fn shows_output() -> bool {
    Level::INFO <= tracing::level_filters::LevelFilter::current()
}

pub(super) fn output(stream: StdStream, worker: i32, call: Option<(&'static str, Option<Pid>)>, line: &[u8]) {
    if !shows_output() {
        return;
    }
    let (function, pid) = call.unzip();
    let line = String::from_utf8_lossy(line);
    contain(|| {
        event!(name: "worker_output", target: OUTPUT, Level::INFO, event = "worker_output", stream = stream.name(), worker, function,
            pid = pid.flatten().map(tracing::field::display), "{line}");
    });
}

pub(super) fn lost(worker: i32, function: &str, cause: &LostCause) {
    contain(|| {
        event!(name: "worker_lost", target: "cordial_isolate", Level::WARN, event = "worker_lost", worker, function, %cause,
            "a worker is gone, and with it the call that it ran; another one starts");
    });
}

pub(super) fn start_failed(error: &PoolError, attempt: u32) {
    contain(|| {
        event!(name: "worker_not_started", target: "cordial_isolate", Level::WARN, event = "worker_not_started", %error, attempt,
            "a worker has not started");
    });
}

pub(super) fn gave_up(error: &PoolError) {
    contain(|| {
        event!(name: "pool_gave_up", target: "cordial_isolate", Level::ERROR, event = "pool_gave_up", %error,
            "no worker starts; the pool takes no calls");
    });
}
