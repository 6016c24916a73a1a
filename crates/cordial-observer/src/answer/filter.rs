//! Filters of text.

use regex::{Regex, RegexBuilder};

/// A parameter that cannot be used, with a sentence for the person who has typed it.
#[derive(Debug)]
pub(crate) struct BadRequest {
    pub(crate) field: &'static str,
    pub(crate) error: String,
}

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 500;

/// How much memory a compiled pattern may take, in bytes.
const MAX_SIZE: usize = 1 << 18;

/// A regular expression that ignores case; `None` matches every text.
#[derive(Debug)]
pub(crate) struct Pattern(Option<Regex>);

impl Pattern {
    pub(crate) fn new(text: Option<&str>) -> Result<Pattern, BadRequest> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Pattern(None)) };
        if text.len() > MAX_LENGTH {
            let error = format!("the filter has {} bytes; at most {MAX_LENGTH} are allowed", text.len());
            return Err(BadRequest { field: "text", error });
        }
        let built = RegexBuilder::new(text).case_insensitive(true).size_limit(MAX_SIZE).build();
        built
            .map(|regex| Pattern(Some(regex)))
            .map_err(|error| BadRequest { field: "text", error: describe(text, &error) })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// Returns what is wrong with a pattern, and what to do about it.
fn describe(text: &str, error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        let limit = MAX_SIZE >> 10;
        return format!(
            "`{text}` is not a valid pattern: it needs more than {limit} KiB of memory. Use smaller repetitions."
        );
    }
    // The lines before the last one show the pattern again, with marks below the mistake.
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default();
    let reason = last.strip_prefix("error: ").unwrap_or(last).trim_end_matches('.');
    format!("`{text}` is not a valid pattern: {reason}. Write \\ before a character that is meant literally.")
}
