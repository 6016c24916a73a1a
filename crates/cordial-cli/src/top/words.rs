//! Short texts for numbers, durations and labels, safe to print to a terminal.

/// Replaces control characters, invisible characters, and characters that change the direction of text by U+FFFD. Labels
/// come from the observed program, which may have built them from untrusted input.
pub(super) fn clean(text: &str) -> String {
    let is_shown = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect()
}

/// Escapes the control characters of a text of the observed program, which a terminal would obey, except for newlines.
pub(super) fn escaped(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped
}

/// The longest place that is shown with its folder.
const PLACE_LENGTH: usize = 24;

/// Returns a place in source code with no more of its path than fits: the file, and its folder if that is short. The page shows
/// places in the same way.
pub(super) fn place(full: &str) -> String {
    let Some((path, file)) = full.rsplit_once('/') else { return clean(full) };
    let folder = path.rsplit('/').next().unwrap_or_default();
    let is_short = folder.chars().count() + 1 + file.chars().count() <= PLACE_LENGTH;
    clean(&if is_short { format!("{folder}/{file}") } else { file.to_owned() })
}

/// Returns a duration in about five characters: `12ms`, `3.4s`, `12m`, `5.0h`, `12d`.
pub(super) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds as f64 / 1000.0;
    match seconds {
        ..1.0 => format!("{milliseconds}ms"),
        // From here on, `{:.1}` would print 100.0.
        ..99.95 => format!("{seconds:.1}s"),
        ..6000.0 => format!("{:.0}m", seconds / 60.0),
        ..172_800.0 => format!("{:.1}h", seconds / 3600.0),
        _ => format!("{:.0}d", seconds / 86_400.0),
    }
}

/// Returns a number in at most six characters, if it is less than 999.9 · 10⁹: `999`, `12.3k`, `123.4k`, `4.5M`.
pub(super) fn count(n: f64) -> String {
    match n {
        ..10.0 if n.fract() >= 0.05 => format!("{n:.1}"),
        ..10_000.0 => format!("{n:.0}"),
        ..999_950.0 => format!("{:.1}k", n / 1e3),
        ..999_950_000.0 => format!("{:.1}M", n / 1e6),
        _ => format!("{:.1}G", n / 1e9),
    }
}

/// Returns a number of bytes in mebibytes, or in gibibytes from 1 GiB on: `12 MiB`, `1.5 GiB`.
pub(super) fn bytes(n: u64) -> String {
    let mebibytes = n as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

/// Returns a share between 0 and 1 as a percentage.
pub(super) fn share(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// Returns a bar of one character for a share between 0 and 1.
pub(super) fn bar(share: f64) -> char {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    BARS[((share.clamp(0.0, 1.0) * 8.0).round() as usize).min(8)]
}

#[cfg(test)]
mod tests;
