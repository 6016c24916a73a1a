//! The table of tasks.

use cordial_observer::view::{List, State as TaskState, Task};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table};

use super::styles::{ALARM, BOLD, DIM, SELECTED, WARNING};
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration, share};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, list: &List<Task>, state: &TopState) {
    let rows = list.rows.iter().enumerate().map(|(index, task)| {
        let is_selected = list.offset + index == state.selected;
        row(task).style(if is_selected { SELECTED } else { Style::new() })
    });
    let widths = [
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(5),
        Constraint::Min(20),
    ];
    let n = format!("LABEL OR PLACE ({} of {})", count(list.matched as f64), count(list.total as f64));
    let heading = ["PID", "STATE", "BUSY", "AGE", "POLLS/s", "MAIL", &n].map(|text| Cell::from(text.to_owned()));
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading).style(BOLD)), area);
}

/// Returns the name of a task: its label, or else its place.
pub(super) fn name(task: &Task) -> String {
    match &task.label {
        Some(label) => clean(label),
        None => clean(&task.place),
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

fn row(task: &Task) -> Row<'static> {
    let (state, style) = state_of(task);
    let mail = task.mailbox.as_ref().map_or_else(String::new, |mailbox| count(mailbox.length as f64));
    Row::new([
        Cell::from(clean(&task.pid)),
        Cell::from(state).style(style),
        Cell::from(share(task.busy_share)),
        Cell::from(duration(task.age_ms)),
        Cell::from(count(task.polls_per_s)),
        Cell::from(mail),
        Cell::from(name(task)),
    ])
}
