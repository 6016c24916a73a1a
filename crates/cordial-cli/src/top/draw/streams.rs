//! The streams that are in progress.

use cordial_observer::view::{List, Stream};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::styles::{ALARM, BOLD, DIM, SELECTED};
use super::width::{COUNT, COUNT_OF_COUNT, FULL_WIDTH, HALF_WIDTH, LEAST_WIDTH, is_narrow, of_width};
use crate::top::state::TopState;
use crate::top::words::{clean, count, place};

/// The length of the bar that shows how much of a stream is done, in characters.
const BAR: usize = 8;

/// For each column, the least width of a screen on which it is shown.
const LEAST: [u16; 7] = [FULL_WIDTH, LEAST_WIDTH, FULL_WIDTH, HALF_WIDTH, FULL_WIDTH, FULL_WIDTH, 0];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, list: &List<Stream>, state: &TopState) {
    if list.rows.is_empty() {
        frame.render_widget(Paragraph::new("no stream is in progress").style(DIM), area);
        return;
    }
    let rows = list.rows.iter().enumerate().map(|(index, stream)| {
        let is_selected = list.offset + index == state.selected;
        let row = Row::new(of_width(cells(stream), LEAST, area.width));
        row.style(if is_selected { SELECTED } else { Style::new() })
    });
    let columns = [
        ("DONE", Constraint::Length(BAR as u16)),
        // On a narrow screen, this is the first column.
        (if is_narrow(area) { "DONE" } else { "" }, Constraint::Length(COUNT_OF_COUNT)),
        ("PER s", Constraint::Length(7)),
        ("FAILED", Constraint::Length(COUNT)),
        ("RUNNING", Constraint::Length(COUNT_OF_COUNT)),
        ("READY", Constraint::Length(COUNT)),
        ("LABEL OR PLACE", Constraint::Fill(1)),
    ];
    let (headings, widths): (Vec<_>, Vec<_>) = of_width(columns, LEAST, area.width).into_iter().unzip();
    frame.render_widget(Table::new(rows, widths).header(Row::new(headings).style(BOLD)), area);
}

fn cells(stream: &Stream) -> [Cell<'static>; 7] {
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
    [
        Cell::from(bar),
        Cell::from(format!("{} {of}", count(done as f64))),
        Cell::from(count(stream.per_second)),
        failed,
        Cell::from(running),
        Cell::from(count(stream.buffered as f64)),
        Cell::from(stream.label.as_deref().map_or_else(|| place(&stream.place), clean)),
    ]
}
