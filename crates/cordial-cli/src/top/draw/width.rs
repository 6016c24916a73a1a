//! How many columns fit.

use ratatui::layout::Rect;

/// The least width at which lists have all of their columns.
const FULL_WIDTH: u16 = 70;

/// Returns whether a list has so little room that it shows only the columns that matter most.
pub(super) fn is_narrow(area: Rect) -> bool {
    area.width < FULL_WIDTH
}
