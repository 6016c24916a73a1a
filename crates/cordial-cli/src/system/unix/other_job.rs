//! Whether a shell can continue this program after Ctrl-Z: not known on these systems.

/// Returns `true`.
pub(super) fn can_be_continued() -> bool {
    true
}
