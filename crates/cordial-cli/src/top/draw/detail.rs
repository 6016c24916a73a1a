//! A process or a crash in full, over the rest of the screen.

use cordial_observer::view::{CrashDetail, Reference, TaskDetail};
use ratatui::Frame;
use ratatui::layout::Margin;
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;

use super::scrolled;
use super::styles::{ALARM, BOLD, DIM};
use super::tasks::{name, state_of};
use crate::top::fetch::Full;
use crate::top::state::Detail;
use crate::top::words::{clean, count, duration, share};

/// Draws a detail. Returns how far it is scrolled.
pub(super) fn draw(frame: &mut Frame<'_>, wanted: &Detail, full: &Result<Full, String>, scrolled: u16) -> u16 {
    let (title, lines) = match full {
        Ok(Full::Process(detail)) => (format!(" {} {} ", name(&detail.task), clean(&detail.task.pid)), process(detail)),
        Ok(Full::Crash(detail)) => (format!(" crash {} ", detail.crash.n), crash(detail)),
        Err(sentence) => (" not there ".to_owned(), vec![Line::styled(clean(sentence), ALARM)]),
    };
    draw_lines(frame, wanted, title, lines, scrolled)
}

/// Draws that a detail has not been fetched yet. `error` says why nothing is fetched.
pub(super) fn draw_awaited(frame: &mut Frame<'_>, wanted: &Detail, error: Option<&str>) {
    let title = match wanted {
        Detail::Process(pid) => format!(" {} ", clean(pid)),
        Detail::Crash(number) => format!(" crash {number} "),
    };
    let line = match error {
        Some(error) => Line::styled(clean(error), ALARM),
        None => Line::styled("asking the program ...", DIM),
    };
    draw_lines(frame, wanted, title, vec![line], 0);
}

fn draw_lines(frame: &mut Frame<'_>, wanted: &Detail, title: String, lines: Vec<Line<'_>>, scrolled: u16) -> u16 {
    let area = frame.area().inner(Margin::new(2, 1));
    let keys = match wanted {
        Detail::Process(_) => " Esc back   ↑↓ scroll   x end it ",
        Detail::Crash(_) => " Esc back   ↑↓ scroll ",
    };
    let block = Block::bordered().title(title).title_bottom(keys);
    scrolled::draw(frame, area, block, lines.into(), scrolled)
}

/// Returns a line with a name and a value.
fn field(name: &str, value: impl Into<String>) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{name:<13}"), DIM), Span::raw(value.into())])
}

fn references(references: &[Reference]) -> String {
    let shown = references.iter().map(|reference| match &reference.label {
        Some(label) => format!("{} {}", clean(label), clean(&reference.pid)),
        None => clean(&reference.pid),
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

fn process(detail: &TaskDetail) -> Vec<Line<'static>> {
    let task = &detail.task;
    let mut lines = vec![
        Line::from(vec![Span::styled(format!("{:<13}", "state"), DIM), Span::styled(state_of(task).0, BOLD)]),
        field("spawned at", clean(&task.place)),
        field("age", duration(task.age_ms)),
        field("busy", format!("{}, {} of the last interval", duration(task.busy_ms as u64), share(task.busy_share))),
        field("polls", format!("{}, {} per second, {} long", task.polls, count(task.polls_per_s), task.long_polls)),
        field("incarnation", task.incarnation.to_string()),
        field("callers", references(&detail.callers)),
        field("above", references(&detail.ancestors)),
        field("links", references(&detail.links)),
        field("monitors", detail.monitors.to_string()),
        field("children", detail.children.total.to_string()),
    ];
    if let Some(mailbox) = &task.mailbox {
        let in_hand = mailbox.in_hand.as_deref().map_or_else(|| "none".to_owned(), clean);
        lines.push(field("mailbox", format!("{} of {}, in hand: {in_hand}", mailbox.length, mailbox.capacity)));
    }
    if let Some(supervision) = &detail.supervision {
        lines.push(field(
            "supervises",
            format!(
                "{}, {} running, {} restarts",
                clean(&supervision.strategy),
                supervision.running,
                supervision.restarts
            ),
        ));
    }
    if let Some(connection) = &detail.connection {
        lines.push(field("client", format!("{}, {} requests", clean(&connection.peer), connection.requests)));
    }
    lines.extend(detail.quiet_ms.map(|quiet| field("not polled", format!("for {}", duration(quiet)))));
    if !detail.poll_durations.is_empty() {
        let buckets = detail.poll_durations.iter().filter(|bucket| bucket.polls > 0);
        let buckets: Vec<String> = buckets
            .map(|bucket| format!("{} of {} or more", count(bucket.polls as f64), duration(bucket.at_least_ms)))
            .collect();
        lines.push(field("long polls", format!("of this place: {}", buckets.join(", "))));
    }
    lines.extend(detail.details.iter().map(|line| field("says", clean(line))));
    lines.extend(detail.note.as_ref().map(|note| field("note", clean(note))));
    let logged = detail.log.iter().flatten();
    lines.extend(logged.map(|line| field(&format!("log {}", clean(&line.level)), clean(&line.text))));
    for crash in detail.crashes.iter().take(5) {
        lines.push(Line::styled(format!("crash {}: {}", crash.n, clean(&crash.message)), ALARM));
    }
    lines
}

fn crash(detail: &CrashDetail) -> Vec<Line<'static>> {
    let crash = &detail.crash;
    let mut lines = vec![
        Line::styled(clean(&crash.message), ALARM),
        field("process", format!("{} {}", crash.label.as_deref().map(clean).unwrap_or_default(), clean(&crash.pid))),
        field("crashed at", clean(&crash.place)),
        field("spawned at", clean(&crash.spawned_at)),
        field("age", duration(crash.age_ms)),
        field("incarnation", crash.incarnation.to_string()),
        field("callers", references(&detail.ancestors)),
        field("same place", format!("{} crashes", detail.same_place)),
    ];
    lines.extend(detail.chain.iter().skip(1).map(|cause| field("because", clean(cause))));
    match &detail.backtrace {
        Some(backtrace) => lines.extend(backtrace.lines().map(|line| Line::raw(clean(line)))),
        None => lines.push(Line::styled("no backtrace: RUST_BACKTRACE=1 enables it", DIM)),
    }
    lines
}
