//! The crashes, grouped by place.

use cordial_observer::view::Crashes;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::styles::{BOLD, DIM, SELECTED};
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration};

/// `now` is the time of the observed program, in milliseconds.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, crashes: &Crashes, now: u64, state: &TopState) {
    if crashes.groups.is_empty() {
        frame.render_widget(Paragraph::new("no process has crashed").style(DIM), area);
        return;
    }
    let groups = crashes.groups.iter().enumerate().skip(state.wanted.first).take(state.wanted.rows);
    let rows = groups.map(|(index, group)| {
        let row = Row::new([
            Cell::from(count(group.count as f64)),
            Cell::from(format!("{} ago", duration(now.saturating_sub(group.last_at_ms)))),
            Cell::from(clean(&group.exit_kind)),
            Cell::from(clean(&group.message)),
            Cell::from(clean(&group.place)),
        ]);
        row.style(if index == state.selected { SELECTED } else { Style::new() })
    });
    let widths =
        [Constraint::Length(5), Constraint::Length(9), Constraint::Length(8), Constraint::Fill(3), Constraint::Fill(2)];
    let total = format!("MESSAGE ({} crashes, {} not kept)", crashes.total, crashes.dropped);
    let heading = ["N", "LAST", "EXIT", &total, "PLACE"].map(|text| Cell::from(text.to_owned()));
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading).style(BOLD)), area);
}
