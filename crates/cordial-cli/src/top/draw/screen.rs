//! The parts of the screen, and where they are.

use cordial_observer::view::Task;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::styles::{ALARM, BOLD, DIM, SELECTED, WARNING};
use super::width::is_narrow;
use super::{crashes, detail, help, overview, question, streams, tasks, tree};
use crate::top::fetch::{BranchNode, Full, Rows, Screenful};
use crate::top::state::{SORTS, TopState, View};
use crate::top::words::clean;

/// The lines above and below the rows of the list, including the heading of the list.
const OTHER_LINES: u16 = 8;

/// What the keys do, the most important ones first.
const KEYS: [&str; 8] = ["q quit", "? help", "1-4 view", "↑↓ select", "Enter show", "x end", "/ filter", "s r sort"];

/// Returns how many rows of the list a screen of this height has.
pub(crate) fn list_height(height: u16) -> usize {
    usize::from(height.saturating_sub(OTHER_LINES).max(1))
}

/// Draws the screen. `error` says why nothing new is fetched. Returns how far the detail or the help is scrolled, which is less than
/// `TopState::scrolled` if the text ends before.
#[must_use]
pub(crate) fn draw(frame: &mut Frame<'_>, state: &TopState, screenful: Option<&Screenful>, error: Option<&str>) -> u16 {
    let parts = [1, 2, 2, 1].map(Constraint::Length);
    let [title, lines, problems, tabs, list, footer] =
        Layout::vertical(parts.into_iter().chain([Constraint::Min(2), Constraint::Length(1)]).collect::<Vec<_>>())
            .areas(frame.area());
    match screenful {
        None => {
            let text = error.map_or_else(|| "connecting ...".to_owned(), clean);
            let text = Paragraph::new(text).style(if error.is_some() { ALARM } else { DIM }).wrap(Wrap { trim: true });
            // Nothing else is there yet, and the end of an error says what to do.
            frame.render_widget(text, title.union(lines).union(problems));
        }
        Some(screenful) => {
            overview::draw(frame, [title, lines], screenful);
            draw_problems(frame, problems, screenful, error);
            draw_list(frame, list, state, screenful);
        }
    }
    draw_tabs(frame, tabs, state);
    draw_footer(frame, footer, state);
    let mut scrolled = state.scrolled;
    if let Some(wanted) = &state.wanted.detail {
        // What was fetched last may be the detail of another process.
        let fetched = screenful.filter(|screenful| screenful.wanted.detail.as_ref() == Some(wanted));
        match fetched.and_then(|screenful| screenful.detail.as_ref()) {
            Some(full) => scrolled = detail::draw(frame, wanted, full, state.scrolled),
            None => detail::draw_awaited(frame, wanted, error),
        }
    }
    if state.shows_help {
        scrolled = help::draw(frame, state.scrolled);
    }
    if let Some(asked) = &state.question {
        question::draw(frame, asked, screenful.and_then(|screenful| name_of(screenful, &asked.pid)).as_deref());
    }
    scrolled
}

/// Returns the name of a process, if the detail, the tasks or the tree that were fetched have it.
fn name_of(screenful: &Screenful, pid: &str) -> Option<String> {
    let is_meant = |task: &&Task| task.pid == pid;
    let detail = match &screenful.detail {
        Some(Ok(Full::Process(detail))) => Some(&detail.task).filter(is_meant),
        _ => None,
    };
    let in_list = || match &screenful.list {
        Rows::Tasks(list) => list.rows.iter().find(is_meant),
        Rows::Tree(rows) => rows.iter().find_map(|row| match &row.node {
            BranchNode::Process(node) => node.task.as_ref().filter(is_meant),
            BranchNode::More(_) => None,
        }),
        _ => None,
    };
    detail.or_else(in_list).map(tasks::name)
}

/// Draws what is wrong: that the program does not answer, or else the first two warnings.
fn draw_problems(frame: &mut Frame<'_>, area: Rect, screenful: &Screenful, error: Option<&str>) {
    let lines: Vec<Line<'_>> = match error {
        Some(error) => vec![Line::styled(format!("! {}; what is shown is old", clean(error)), ALARM)],
        None => overview::warnings(screenful),
    };
    // A line that is alone may use both rows of the area.
    let is_alone = lines.len() == 1;
    let lines = Paragraph::new(lines);
    frame.render_widget(if is_alone { lines.wrap(Wrap { trim: true }) } else { lines }, area);
}

fn draw_tabs(frame: &mut Frame<'_>, area: Rect, state: &TopState) {
    let mut spans = Vec::new();
    let views = [
        (View::Tasks, " 1 Tasks "),
        (View::Tree, " 2 Tree "),
        (View::Streams, " 3 Streams "),
        (View::Crashes, " 4 Crashes "),
    ];
    let have_room = views.iter().map(|(_, name)| name.len()).sum::<usize>() <= usize::from(area.width);
    for (view, name) in views {
        let is_shown = state.wanted.view == view;
        let name = if have_room || is_shown { name } else { &name[..3] };
        spans.push(Span::styled(name, if is_shown { SELECTED } else { Style::new() }));
        spans.extend((!is_narrow(area)).then(|| Span::raw(" ")));
    }
    // What hides or stops something is first: a narrow screen does not have room for all.
    if state.is_paused {
        spans.push(Span::styled(" paused ", WARNING));
    }
    if state.wanted.view == View::Tasks {
        if !state.wanted.filter.is_empty() {
            spans.push(Span::styled(format!(" filter: {} ", clean(&state.wanted.filter)), WARNING));
        }
        let arrow = if state.wanted.is_descending { "↓" } else { "↑" };
        let sort = SORTS[state.wanted.sort].replace('_', " ");
        spans.push(Span::styled(format!(" sort: {sort} {arrow}"), DIM));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

fn draw_footer(frame: &mut Frame<'_>, area: Rect, state: &TopState) {
    let line = match &state.typed {
        Some(typed) => Line::from(vec![
            Span::styled("/", BOLD),
            Span::raw(clean(typed)),
            Span::styled("▏  Enter: filter by label, place or pid   Esc: back", DIM),
        ]),
        None => {
            let mut shown = String::new();
            for key in KEYS {
                let gap = if shown.is_empty() { "" } else { "  " };
                if shown.chars().count() + gap.len() + key.chars().count() <= usize::from(area.width) {
                    shown.push_str(gap);
                    shown.push_str(key);
                }
            }
            Line::styled(shown, DIM)
        }
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, state: &TopState, screenful: &Screenful) {
    match &screenful.list {
        Rows::Tasks(list) => tasks::draw(frame, area, list, state),
        Rows::Tree(rows) => tree::draw(frame, area, rows, state),
        Rows::Streams(list) => streams::draw(frame, area, list, state),
        Rows::Crashes(crashes) => crashes::draw(frame, area, crashes, screenful.overview.now.at_ms, state),
        Rows::None => {
            let error = screenful.list_error.as_deref().unwrap_or_default();
            frame.render_widget(Paragraph::new(clean(error)).style(ALARM), area);
        }
    }
}
