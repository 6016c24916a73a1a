//! Other systems have neither pid namespaces nor subreapers: no process is inherited.

use rustix::process::Pid;

use super::group_table::GroupTable;

/// Never returns.
///
/// # Cancel safety
///
/// Dropping the future loses nothing.
pub(crate) async fn reap_orphans(_: &GroupTable) {
    std::future::pending().await
}

pub(super) fn ended_child() -> Option<Pid> {
    None
}

pub(super) fn reap(_: Pid) {}
