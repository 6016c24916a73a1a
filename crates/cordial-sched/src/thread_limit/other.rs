//! Systems whose limits are not read.

use super::ThreadLimit;

pub(super) fn reached_limit() -> Option<ThreadLimit> {
    None
}

pub(super) fn is_short_of_address_space() -> bool {
    false
}
