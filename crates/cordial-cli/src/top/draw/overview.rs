//! The first lines: the program, its numbers, its last minutes, and its warnings.

use cordial_observer::view::{Severity, WorkerState};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::styles::{ALARM, BOLD, DIM, WARNING};
use super::width::is_narrow;
use crate::top::fetch::Screenful;
use crate::top::words::{bar, bytes, clean, count, duration, place, share};

/// The columns between two sparklines.
const GAP: usize = 2;

pub(super) fn draw(frame: &mut Frame<'_>, [title, lines]: [Rect; 2], screenful: &Screenful) {
    let (overview, past) = (&screenful.overview, &screenful.past);
    let (program, now) = (&overview.program, &overview.now);
    let up = now.at_ms.saturating_sub(program.started_at_ms);
    let dropped = &overview.dropped;
    let n_dropped = dropped.crashes + dropped.points + dropped.clients + dropped.connections + dropped.tasks;
    // What matters most is first: a narrow screen does not have room for all.
    let mut spans = vec![Span::styled(clean(&program.name), BOLD)];
    if n_dropped > 0 {
        spans.push(Span::styled(format!("dropped {}", count(n_dropped as f64)), ALARM));
    }
    if program.closed {
        spans.push(Span::styled("shut down", ALARM));
    }
    let mut add = |text: String| spans.push(Span::raw(text));
    add(format!("live {}", count(now.live as f64)));
    add(format!("queue {}", count(now.queued as f64)));
    add(format!(
        "threads {}{}",
        now.threads,
        if now.stand_ins > 0 { format!("+{}", now.stand_ins) } else { String::new() }
    ));
    now.cpu.into_iter().for_each(|cpu| add(format!("cpu {}", share(f64::from(cpu)))));
    now.rss_bytes.into_iter().for_each(|rss| add(bytes(rss)));
    add(format!("up {}", duration(up)));
    add(format!("process {}", program.os_pid));
    frame.render_widget(Paragraph::new(Line::from(fitting(spans, title.width))), title);

    let workers: String = overview
        .workers
        .iter()
        .take(16)
        .map(|worker| match worker.state {
            WorkerState::Blocked => '!',
            _ => bar(f64::from(worker.busy)),
        })
        .collect();
    let (busy, spawned, crashed) =
        (share(f64::from(now.utilization)), count(f64::from(now.spawned)), count(f64::from(now.crashed)));
    let headings = if is_narrow(lines) {
        [format!("busy {busy}"), format!("spawn {spawned}/s"), format!("crash {crashed}/s")]
    } else {
        [format!("busy {busy} [{workers}]"), format!("spawned {spawned}/s"), format!("crashed {crashed}/s")]
    };
    let series = [
        (&past.utilization, Some(1.0), Color::Green),
        (&past.spawned, None, Color::Blue),
        (&past.crashed, None, Color::Red),
    ];
    let length = |shown: &[usize]| shown.iter().map(|&n| headings[n].chars().count()).max().unwrap_or_default();
    let fits = |shown: &&[usize]| usize::from(lines.width) + GAP >= shown.len() * (length(shown) + GAP);
    let shown = [&[0, 1, 2][..], &[0, 2]].into_iter().find(fits).unwrap_or(&[0]);
    let parts = Layout::horizontal(vec![Constraint::Fill(1); shown.len()]).spacing(GAP as u16).split(lines);
    for (area, &n) in parts.iter().zip(shown) {
        let (heading, (values, max, color)) = (headings[n].as_str(), series[n]);
        let [heading_area, line] = Layout::vertical([Constraint::Length(1); 2]).areas(*area);
        frame.render_widget(Paragraph::new(heading).style(DIM), heading_area);
        // In thousandths, because a sparkline is drawn from whole numbers. The newest values are on the right.
        let shown = &values[values.len().saturating_sub(usize::from(line.width))..];
        let mut data = vec![0; usize::from(line.width).saturating_sub(shown.len())];
        data.extend(shown.iter().map(|value| (value * 1000.0) as u64));
        let sparkline = Sparkline::default().data(&data).style(Style::new().fg(color));
        let sparkline = match max {
            Some(max) => sparkline.max((max * 1000.0) as u64),
            None => sparkline,
        };
        frame.render_widget(sparkline, line);
    }
}

/// Returns the parts of a line that fit into a width, with gaps between them. The first part is always there, and cut off if it is
/// too wide.
fn fitting(spans: Vec<Span<'static>>, width: u16) -> Vec<Span<'static>> {
    let mut left = usize::from(width);
    let mut fitting = Vec::new();
    for span in spans {
        let gap = if fitting.is_empty() { 0 } else { 2 };
        if fitting.is_empty() || gap + span.width() <= left {
            left = left.saturating_sub(gap + span.width());
            fitting.extend([Span::raw(" ".repeat(gap)), span]);
        }
    }
    fitting
}

/// Returns the first two warnings, one per line, and how many more there are; or the line that nothing is wrong.
pub(super) fn warnings(screenful: &Screenful) -> Vec<Line<'static>> {
    let warnings = &screenful.overview.warnings;
    let n_hidden = warnings.len().saturating_sub(2);
    let mut lines: Vec<Line<'static>> = warnings
        .iter()
        .take(2)
        .map(|warning| {
            let style = match warning.severity {
                Severity::Critical => ALARM,
                Severity::Warning => WARNING,
                _ => Style::new(),
            };
            // The place is shortened as on the page of the observer, so that there is room for the rest of the sentence.
            let sentence = match &warning.place {
                Some(full) => warning.sentence.replace(full, &place(full)),
                None => warning.sentence.clone(),
            };
            Line::styled(format!("! {}", clean(&sentence)), style)
        })
        .collect();
    if n_hidden > 0
        && let Some(last) = lines.last_mut()
    {
        last.push_span(Span::styled(format!("  (and {n_hidden} more)"), DIM));
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing is wrong", DIM));
    }
    lines
}
