//! The first lines: the program, its numbers, and its last minutes.

use cordial_observer::view::{Severity, WorkerState};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::styles::{ALARM, BOLD, DIM, WARNING};
use crate::top::fetch::Screenful;
use crate::top::words::{bar, bytes, clean, count, duration, share};

pub(super) fn draw(frame: &mut Frame<'_>, [title, lines]: [Rect; 2], screenful: &Screenful) {
    let (overview, past) = (&screenful.overview, &screenful.past);
    let (program, now) = (&overview.program, &overview.now);
    let up = now.at_ms.saturating_sub(program.started_at_ms);
    let mut spans = vec![Span::styled(clean(&program.name), BOLD)];
    let mut add = |text: String| spans.push(Span::raw(text));
    add(format!(" ({})  up {}  live {}", program.os_pid, duration(up), count(now.live as f64)));
    add(format!("  threads {}", now.threads));
    if now.stand_ins > 0 {
        add(format!(" (+{} stand-ins)", now.stand_ins));
    }
    add(format!("  queue {}", count(now.queued as f64)));
    if let Some(cpu) = now.cpu {
        add(format!("  cpu {}", share(f64::from(cpu))));
    }
    if let Some(rss) = now.rss_bytes {
        add(format!("  {}", bytes(rss)));
    }
    let dropped = &overview.dropped;
    let n_dropped = dropped.crashes + dropped.points + dropped.clients + dropped.connections + dropped.tasks;
    if n_dropped > 0 {
        spans.push(Span::styled(format!("  dropped {}", count(n_dropped as f64)), ALARM));
    }
    if program.closed {
        spans.push(Span::styled("  shut down", ALARM));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), title);

    let thirds = Layout::horizontal([Constraint::Fill(1); 3]).spacing(2).split(lines);
    let workers: String = overview
        .workers
        .iter()
        .take(16)
        .map(|worker| match worker.state {
            WorkerState::Blocked => '!',
            _ => bar(f64::from(worker.busy)),
        })
        .collect();
    let columns = [
        (format!("busy {} [{workers}]", share(f64::from(now.utilization))), &past.utilization, Some(1.0), Color::Green),
        (format!("spawned {}/s", count(f64::from(now.spawned))), &past.spawned, None, Color::Blue),
        (format!("crashed {}/s", count(f64::from(now.crashed))), &past.crashed, None, Color::Red),
    ];
    for (area, (heading, values, max, color)) in thirds.iter().zip(columns) {
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

/// Returns the lines of what is wrong: what was dropped, and the first warnings.
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
            Line::styled(format!("! {}", clean(&warning.sentence)), style)
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
