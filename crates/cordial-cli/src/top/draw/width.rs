//! How many columns fit.

use ratatui::layout::Rect;

/// The least width at which lists have all of their columns.
pub(super) const FULL_WIDTH: u16 = 70;

/// The least width at which lists have more than their two most important columns.
pub(super) const HALF_WIDTH: u16 = 40;

/// The least width at which lists show their second column. Below it, they only show the name.
pub(super) const LEAST_WIDTH: u16 = 26;

/// The width of the longest number that [`count`](crate::top::words::count) writes. A number that is cut off would look like another
/// number.
pub(super) const COUNT: u16 = 6;

/// The width of two such numbers, as in `123.4k of 999.9k`.
pub(super) const COUNT_OF_COUNT: u16 = 16;

/// The width of the longest text for what a process does: `again in 514ms`.
pub(super) const STATE: u16 = 14;

/// Returns whether there is no room for all columns.
pub(super) fn is_narrow(area: Rect) -> bool {
    area.width < FULL_WIDTH
}

/// Returns the columns for which there is room: those whose number in `least` is at most the width of the screen.
pub(super) fn of_width<T, const N: usize>(columns: [T; N], least: [u16; N], width: u16) -> Vec<T> {
    columns.into_iter().zip(least).filter(|(_, least)| width >= *least).map(|(column, _)| column).collect()
}
