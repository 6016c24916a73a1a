//! Dropping values of the user.

use crate::telemetry;
use crate::unwind::{self, Unwound};

/// Drops a value of the user. A panic in its destructor is caught and emitted as the event `lost_panic`.
pub(crate) fn discard<T>(value: T) {
    if let Err(Unwound::Panic(caught)) = unwind::catch(move || drop(value)) {
        unwind::ignore_panic(|| telemetry::lost_panic(&caught));
    }
}
