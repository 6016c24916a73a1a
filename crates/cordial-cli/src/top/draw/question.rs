//! The question what to do with a process, and the answer of the program, over the rest of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::styles::{ALARM, BOLD, DIM, SELECTED};
use crate::top::question::{Question, Stage};
use crate::top::words::clean;

/// `name` is the name of the process, if it is known.
pub(super) fn draw(frame: &mut Frame<'_>, question: &Question, name: Option<&str>) {
    let lines: Vec<Line<'_>> = match &question.stage {
        Stage::Asked => question
            .lines()
            .enumerate()
            .map(|(index, text)| Line::styled(text, if index == question.selected { SELECTED } else { Style::new() }))
            .collect(),
        Stage::Sent(kind) => {
            vec![Line::styled(format!("{}: asking the program ...", kind.name().replace('_', " ")), DIM)]
        }
        Stage::Answered(Ok(result)) => vec![Line::styled(clean(result), BOLD)],
        Stage::Answered(Err(sentence)) => vec![Line::styled(clean(sentence), ALARM)],
    };
    let keys = match question.stage {
        Stage::Asked => " ↑↓ select   Enter do it   Esc back ",
        Stage::Sent(_) => " Esc do not wait for the answer ",
        Stage::Answered(_) => " any key: back ",
    };
    let pid = clean(&question.pid);
    let title = name.map_or_else(|| format!(" End {pid}? "), |name| format!(" End {name} {pid}? "));
    let [area] = Layout::horizontal([Constraint::Length(78)]).flex(Flex::Center).areas(frame.area());
    let columns = usize::from(area.width.saturating_sub(2)).max(1);
    let rows = lines.iter().map(|line| n_rows(&line.to_string(), columns)).sum::<usize>();
    let height = u16::try_from(rows).unwrap_or(u16::MAX).max(3).saturating_add(2);
    let [area] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(area);
    let block = Block::bordered().title(title).title_bottom(keys);
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block).wrap(Wrap { trim: false }), area);
}

/// Returns how many rows a text takes when its words are wrapped at this width.
fn n_rows(text: &str, columns: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for word in text.split(' ') {
        let width = Line::raw(word).width();
        used = match used {
            0 => width,
            _ if used + 1 + width <= columns => used + 1 + width,
            _ => {
                rows += 1;
                width
            }
        };
        // A word that is longer than a row is divided.
        while used > columns {
            (rows, used) = (rows + 1, used - columns);
        }
    }
    rows
}
