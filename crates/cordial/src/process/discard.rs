//! Dropping user values.

use cordial_sched::drop_in_turn;

use crate::telemetry;
use crate::unwind::{self, Unwound};

/// Drops a user value. A panic in its destructor is caught and emitted as the event `lost_panic`.
pub(crate) fn discard<T>(value: T) {
    discard_in_place(&mut Some(value));
}

/// Like `discard`, but drops the value where it is, because it may be too large for the stack.
pub(crate) fn discard_in_place<T>(value: &mut Option<T>) {
    call_and_report_panic(&mut || *value = None);
}

/// Like `discard`, for a value whose destructor may discard another value in turn, and so on. A long chain of such values does not
/// overflow the stack: beyond a certain depth, a nested call leaves its value to the outermost call.
pub(crate) fn discard_in_turn<T: 'static>(value: T) {
    drop_in_turn(move || discard(value));
}

/// User values that are passed on together. If the list is dropped before that, each value is discarded on its own: in a list of the
/// standard library, a second destructor that panics while the first panic unwinds would abort the program.
#[derive(Debug)]
pub(crate) struct HeldValues<T>(Vec<T>);

impl<T> HeldValues<T> {
    pub(crate) fn new() -> HeldValues<T> {
        HeldValues(Vec::new())
    }

    pub(crate) fn push(&mut self, value: T) {
        self.0.push(value);
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    /// Passes the values on.
    pub(crate) fn into_vec(mut self) -> Vec<T> {
        std::mem::take(&mut self.0)
    }
}

impl<T> FromIterator<T> for HeldValues<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> HeldValues<T> {
        HeldValues(values.into_iter().collect())
    }
}

impl<T> Drop for HeldValues<T> {
    fn drop(&mut self) {
        while let Some(last) = self.0.len().checked_sub(1) {
            // In place, because a value may be too large for the stack.
            call_and_report_panic(&mut || self.0.truncate(last));
        }
    }
}

/// A user value that is kept beside others, such as the function of one child of many. Dropping it discards the value: where
/// several such values are dropped together, a second destructor that panics would otherwise abort the program.
#[derive(Debug)]
pub(crate) struct HeldValue<T> {
    /// `Some` until `drop` discards the value.
    value: Option<T>,
}

impl<T> HeldValue<T> {
    pub(crate) fn new(value: T) -> HeldValue<T> {
        HeldValue { value: Some(value) }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("only `drop` removes the value")
    }
}

impl<T> Drop for HeldValue<T> {
    fn drop(&mut self) {
        discard_in_place(&mut self.value);
    }
}

fn call_and_report_panic(call: &mut dyn FnMut()) {
    if let Err(Unwound::Panic(caught)) = unwind::catch_dyn(call) {
        unwind::ignore_panic(|| telemetry::lost_panic(&caught));
    }
}
