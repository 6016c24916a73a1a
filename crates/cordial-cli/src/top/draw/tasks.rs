//! The table of tasks.

use cordial_observer::view::{List, State as TaskState, Task};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table};

use super::styles::{ALARM, BOLD, DIM, SELECTED, WARNING};
use super::width::{COUNT, FULL_WIDTH, HALF_WIDTH, LEAST_WIDTH, STATE};
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration, place, share};

/// The columns of the table before the last one: the heading, the width, and the least width of a screen that has it.
const COLUMNS: [(&str, u16, u16); 6] = [
    ("PID", 12, FULL_WIDTH),
    ("STATE", STATE, LEAST_WIDTH),
    ("BUSY", 5, HALF_WIDTH),
    ("AGE", 6, FULL_WIDTH),
    ("POLLS/s", 7, FULL_WIDTH),
    ("MAIL", COUNT, FULL_WIDTH),
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, list: &List<Task>, state: &TopState) {
    let is_shown = |index: usize| COLUMNS.get(index).is_none_or(|(.., least)| area.width >= *least);
    let rows = list.rows.iter().enumerate().map(|(index, task)| {
        let is_selected = list.offset + index == state.selected;
        let cells = cells(task).into_iter().enumerate().filter(|(index, _)| is_shown(*index)).map(|(_, cell)| cell);
        Row::new(cells.collect::<Vec<_>>()).style(if is_selected { SELECTED } else { Style::new() })
    });
    let shown = COLUMNS.iter().enumerate().filter(|(index, _)| is_shown(*index)).map(|(_, column)| column);
    let widths = shown.clone().map(|(_, width, _)| Constraint::Length(*width)).chain([Constraint::Fill(1)]);
    // A column is one character apart from the next one.
    let left = shown.clone().fold(area.width, |left, (_, width, _)| left.saturating_sub(width + 1));
    let last = Cell::from(name_heading(list, usize::from(left)));
    let heading: Vec<Cell<'_>> = shown.map(|(title, ..)| Cell::from(*title)).chain([last]).collect();
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading).style(BOLD)), area);
}

/// Returns the heading of the names, with the number of tasks if there is room for it: a number that is cut off would look like
/// another number.
fn name_heading(list: &List<Task>, width: usize) -> String {
    let n = format!("({} of {})", count(list.matched as f64), count(list.total as f64));
    let headings = [format!("LABEL OR PLACE {n}"), format!("LABEL {n}"), n, "LABEL".to_owned()];
    headings.into_iter().find(|heading| heading.len() <= width).unwrap_or_default()
}

/// Returns the name of a task: its label, or else its place.
pub(super) fn name(task: &Task) -> String {
    match &task.label {
        Some(label) => clean(label),
        None => place(&task.place),
    }
}

/// Returns what a task does, and how urgent that is.
pub(super) fn state_of(task: &Task) -> (String, Style) {
    match (task.state, task.in_poll_ms) {
        (TaskState::Running, Some(lasted)) if lasted >= 100 => (format!("in poll {}", duration(lasted)), ALARM),
        (TaskState::Running, _) => ("running".to_owned(), Style::new()),
        (TaskState::Queued, _) => ("queued".to_owned(), WARNING),
        (TaskState::Waiting, _) => ("waiting".to_owned(), DIM),
        (TaskState::ShutdownRequested, _) => ("shutting down".to_owned(), WARNING),
        (TaskState::Exiting, _) => ("exiting".to_owned(), WARNING),
        (TaskState::Abandoned, _) => ("abandoned".to_owned(), ALARM),
        _ => (String::new(), DIM),
    }
}

/// Returns a cell for each of `COLUMNS`, and one for the last column.
fn cells(task: &Task) -> [Cell<'static>; COLUMNS.len() + 1] {
    let (state, style) = state_of(task);
    let mail = task.mailbox.as_ref().map_or_else(String::new, |mailbox| count(mailbox.length as f64));
    [
        Cell::from(clean(&task.pid)),
        Cell::from(state).style(style),
        Cell::from(share(task.busy_share)),
        Cell::from(duration(task.age_ms)),
        Cell::from(count(task.polls_per_s)),
        Cell::from(mail),
        Cell::from(name(task)),
    ]
}
