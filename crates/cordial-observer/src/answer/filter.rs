//! Text filters.

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
        let no_pattern = |error| {
            let reason = reason(&error);
            let error = format!(
                "`{text}` is not a valid pattern: {reason}. Write \\ before a character that is meant literally."
            );
            BadRequest { field: "text", error }
        };
        built.map(|regex| Pattern(Some(regex))).map_err(no_pattern)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// Returns what is wrong with a pattern, without the drawing that the error prints for a terminal.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).trim_end_matches('.').to_owned()
}
