//! The streams that are in progress.

use cordial_observer::view::{List, Stream};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::styles::{ALARM, BOLD, DIM, SELECTED};
use crate::top::state::TopState;
use crate::top::words::{clean, count};

/// The length of the bar that shows how much of a stream is done, in characters.
const BAR: usize = 14;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, list: &List<Stream>, state: &TopState) {
    if list.rows.is_empty() {
        frame.render_widget(Paragraph::new("no stream is in progress").style(DIM), area);
        return;
    }
    let rows = list.rows.iter().enumerate().map(|(index, stream)| {
        let is_selected = list.offset + index == state.selected;
        row(stream).style(if is_selected { SELECTED } else { Style::new() })
    });
    let widths = [
        Constraint::Length(BAR as u16),
        Constraint::Length(11),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Min(15),
    ];
    let heading = ["DONE", "", "PER s", "FAILED", "RUNNING", "READY", "CONSUMER OR PLACE"];
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading).style(BOLD)), area);
}

fn row(stream: &Stream) -> Row<'static> {
    let done = stream.completed + stream.failed;
    let (bar, of) = match stream.total {
        Some(total) if total > 0 => {
            let filled = (BAR as u64 * done / total).min(BAR as u64) as usize;
            (format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled)), format!("of {}", count(total as f64)))
        }
        _ => (String::new(), String::new()),
    };
    let running = match stream.max {
        Some(max) => format!("{} of {}", count(stream.in_flight as f64), count(max as f64)),
        None => count(stream.in_flight as f64),
    };
    let failed = Cell::from(count(stream.failed as f64)).style(if stream.failed > 0 { ALARM } else { Style::new() });
    Row::new([
        Cell::from(bar),
        Cell::from(format!("{} {of}", count(done as f64))),
        Cell::from(count(stream.per_second)),
        failed,
        Cell::from(running),
        Cell::from(count(stream.buffered as f64)),
        Cell::from(stream.label.as_deref().map_or_else(|| clean(&stream.place), clean)),
    ])
}
