//! Dropping values of the user.

use cordial_sched::drop_in_turn;

use crate::telemetry;
use crate::unwind::{self, Unwound};

/// Drops a value of the user. A panic in its destructor is caught and emitted as the event `lost_panic`.
pub(crate) fn discard<T>(value: T) {
    report_panic(move || drop(value));
}

/// Like `discard`, but drops the value where it is, because it may be too large for the stack.
pub(crate) fn discard_in_place<T>(value: &mut Option<T>) {
    report_panic(|| *value = None);
}

/// Like `discard`, for a value that may hold another such value, and so on: a long chain of them does not overflow the stack.
/// If many of these calls are nested, the value is dropped when the outermost call is done.
pub(crate) fn discard_in_turn<T: 'static>(value: T) {
    drop_in_turn(move || discard(value));
}

fn report_panic(call: impl FnOnce()) {
    if let Err(Unwound::Panic(caught)) = unwind::catch(call) {
        unwind::ignore_panic(|| telemetry::lost_panic(&caught));
    }
}
