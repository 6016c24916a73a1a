//! The crashes, grouped by place.

use cordial_observer::view::Crashes;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::styles::{BOLD, DIM, SELECTED};
use super::width::{FULL_WIDTH, HALF_WIDTH, of_width};
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration, place};

/// For each column, the least width of a screen on which it is shown.
const LEAST: [u16; 5] = [0, HALF_WIDTH, 0, FULL_WIDTH, FULL_WIDTH];

/// `now` is the time of the observed program, in milliseconds.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, crashes: &Crashes, now: u64, state: &TopState) {
    if crashes.groups.is_empty() {
        frame.render_widget(Paragraph::new("no process has crashed").style(DIM), area);
        return;
    }
    let groups = crashes.groups.iter().enumerate().skip(state.wanted.first).take(state.wanted.rows);
    let rows = groups.map(|(index, group)| {
        let cells = [
            Cell::from(count(group.count as f64)),
            Cell::from(format!("{} ago", duration(now.saturating_sub(group.last_at_ms)))),
            Cell::from(clean(&group.message)),
            Cell::from(clean(&group.exit_kind)),
            Cell::from(place(&group.place)),
        ];
        Row::new(of_width(cells, LEAST, area.width)).style(if index == state.selected {
            SELECTED
        } else {
            Style::new()
        })
    });
    let total = match area.width {
        // A number that is cut off would look like another number.
        0..HALF_WIDTH => "MESSAGE".to_owned(),
        _ => format!("MESSAGE ({} crashes, {} not kept)", crashes.total, crashes.dropped),
    };
    let columns = [
        ("N", Constraint::Length(6)),
        ("LAST", Constraint::Length(9)),
        (&*total, Constraint::Fill(3)),
        ("EXIT", Constraint::Length(8)),
        ("PLACE", Constraint::Fill(2)),
    ];
    let (headings, widths): (Vec<_>, Vec<_>) = of_width(columns, LEAST, area.width).into_iter().unzip();
    frame.render_widget(Table::new(rows, widths).header(Row::new(headings).style(BOLD)), area);
}
