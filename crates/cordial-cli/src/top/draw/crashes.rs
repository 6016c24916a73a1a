//! The crashes, grouped by place.

use cordial_observer::view::Crashes;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::styles::{BOLD, DIM, SELECTED};
use super::width::is_narrow;
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration, place};

/// `now` is the time of the observed program, in milliseconds.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, crashes: &Crashes, now: u64, state: &TopState) {
    if crashes.groups.is_empty() {
        frame.render_widget(Paragraph::new("no process has crashed").style(DIM), area);
        return;
    }
    let is_narrow = is_narrow(area);
    let groups = crashes.groups.iter().enumerate().skip(state.wanted.first).take(state.wanted.rows);
    let rows = groups.map(|(index, group)| {
        let cells = [
            Cell::from(count(group.count as f64)),
            Cell::from(format!("{} ago", duration(now.saturating_sub(group.last_at_ms)))),
            Cell::from(clean(&group.message)),
            Cell::from(clean(&group.exit_kind)),
            Cell::from(place(&group.place)),
        ];
        Row::new(of_width(cells, is_narrow)).style(if index == state.selected { SELECTED } else { Style::new() })
    });
    let total = format!("MESSAGE ({} crashes, {} not kept)", crashes.total, crashes.dropped);
    let columns = [
        ("N", Constraint::Length(5)),
        ("LAST", Constraint::Length(9)),
        (&*total, Constraint::Fill(3)),
        ("EXIT", Constraint::Length(8)),
        ("PLACE", Constraint::Fill(2)),
    ];
    let (headings, widths): (Vec<_>, Vec<_>) = of_width(columns, is_narrow).into_iter().unzip();
    frame.render_widget(Table::new(rows, widths).header(Row::new(headings).style(BOLD)), area);
}

/// Returns the columns for which there is room. A narrow screen has the first three.
fn of_width<T>(columns: [T; 5], is_narrow: bool) -> Vec<T> {
    columns.into_iter().take(if is_narrow { 3 } else { 5 }).collect()
}
