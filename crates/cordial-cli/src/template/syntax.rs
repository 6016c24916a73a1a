//! Which texts are placeholders: those of GNU parallel, except those that need Perl.

use super::path_part::Part;
use super::placeholder::{Placeholder, Position};
use crate::text::display;

/// The message for a placeholder that is a program in Perl.
const COMPUTED: &str = "{= … =} is not supported, because it would need Perl: a line for the shell can compute the text, as in \
     --shell 'f={}; echo ${f%.*}', or sed can replace {= s/A/B/ =}, as in --shell 'f=$(echo {} | sed s/A/B/); echo \"$f\"'; to \
     pass {= … =} as text, put it into an environment variable";

/// The placeholders of a command.
#[derive(Clone, Debug)]
pub(crate) struct Syntax {
    /// The text of `-I`, if `-I` is given. Then `{1}` is no placeholder, as for `xargs` and for GNU parallel; with `-I {}`, it is an error.
    replace: Option<Vec<u8>>,
    /// Other texts that stand for `{.}`, `{/}` and so on.
    renamed: Vec<(Vec<u8>, Placeholder)>,
    /// Whether `{..}`, `{+.}` and so on are placeholders.
    is_plus: bool,
    /// The names of values, from `--header`.
    names: Vec<Vec<u8>>,
    /// The largest number of values in an item; `None` if it is not known before they are read.
    max_values: Option<usize>,
    beside_text: BesideText,
    /// Whether the item is inserted at all. `false` with `-n 0`.
    inserts_items: bool,
    /// Whether the item is appended to a command without a placeholder. `false` with `--pipe`, and with `-I`, as in `xargs`.
    appends_items: bool,
}

/// How to fill a word in which a placeholder for several values stands beside other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BesideText {
    /// The text is inserted once: `x{}y` becomes `xa by`, as with GNU parallel and several sources.
    Once,
    /// The word is repeated: `x{}y` becomes `xay xby`, as with GNU parallel and `-N` or `-X`.
    Repeated,
    /// The word is an error. With `-n`, `-m` and `--xargs`, GNU parallel would insert the text once, which is seldom meant.
    Refused,
}

impl Default for Syntax {
    /// Returns the placeholders of an item with one value.
    fn default() -> Syntax {
        Syntax {
            replace: None,
            renamed: Vec::new(),
            is_plus: false,
            names: Vec::new(),
            max_values: Some(1),
            beside_text: BesideText::Once,
            inserts_items: true,
            appends_items: true,
        }
    }
}

impl Syntax {
    /// Sets the text that stands for the item. The item is then never appended to the command.
    pub(crate) fn replace(self, text: Vec<u8>) -> Syntax {
        Syntax { replace: Some(text), appends_items: false, ..self }
    }

    /// Sets another text for the placeholder `written`, such as `{.}`.
    pub(crate) fn rename(mut self, written: &str, text: Vec<u8>) -> Syntax {
        let parsed = Syntax::default().parse_prefix(written.as_bytes());
        let (placeholder, _) = parsed.ok().flatten().expect("`written` is a placeholder");
        self.renamed.push((text, placeholder));
        self
    }

    /// Adds the placeholders of `--plus`.
    pub(crate) fn plus(self) -> Syntax {
        Syntax { is_plus: true, ..self }
    }

    /// Sets the names of the values.
    pub(crate) fn names(self, names: Vec<Vec<u8>>) -> Syntax {
        Syntax { names, ..self }
    }

    /// Sets the largest number of values in an item; `None` if it is not known before they are read.
    pub(crate) fn max_values(self, max_values: Option<usize>) -> Syntax {
        Syntax { max_values, ..self }
    }

    /// Sets that the item is not appended to a command without a placeholder.
    pub(crate) fn without_appended_item(self) -> Syntax {
        Syntax { appends_items: false, ..self }
    }

    /// Sets that the item is not inserted at all.
    pub(crate) fn without_items(self) -> Syntax {
        Syntax { inserts_items: false, ..self }
    }

    /// Sets how to fill a word in which a placeholder for several values stands beside other text.
    pub(crate) fn beside(self, beside_text: BesideText) -> Syntax {
        Syntax { beside_text, ..self }
    }

    pub(super) fn beside_text(&self) -> BesideText {
        self.beside_text
    }

    /// Returns whether an item may have several values.
    pub(super) fn has_many_values(&self) -> bool {
        self.max_values != Some(1)
    }

    /// Returns whether the item is appended to a command without a placeholder.
    pub(super) fn appends_item(&self) -> bool {
        self.appends_items && self.inserts_items
    }

    /// Returns the text that stands for the item.
    pub(crate) fn item_text(&self) -> &[u8] {
        self.replace.as_deref().unwrap_or(b"{}")
    }

    /// Returns whether a text contains a placeholder.
    pub(crate) fn has_placeholder(&self, text: &[u8]) -> bool {
        (0..text.len()).any(|at| matches!(self.parse_prefix(&text[at..]), Ok(Some(_))))
    }

    /// Refuses a `{=` that has a `=}` in the same word or in a later one.
    ///
    /// # Errors
    ///
    /// A message that says what to write instead.
    pub(super) fn check_computed(words: &[Vec<u8>]) -> Result<(), String> {
        let has = |word: &[u8], brace: &[u8]| word.windows(2).any(|part| part == brace);
        let start = words.iter().position(|word| has(word, b"{="));
        match start.is_some_and(|start| words[start..].iter().any(|word| has(word, b"=}"))) {
            true => Err(COMPUTED.to_owned()),
            false => Ok(()),
        }
    }

    /// Returns the placeholder at the start of a text, and its length.
    ///
    /// # Errors
    ///
    /// A message, when the text begins with a placeholder that is not supported, or with one for a value that no item has. With `-n 0`,
    /// also when it begins with a placeholder for any value.
    pub(super) fn parse_prefix(&self, text: &[u8]) -> Result<Option<(Placeholder, usize)>, String> {
        match self.find(text)? {
            Some((Placeholder::Values(_) | Placeholder::Value(..), length)) if !self.inserts_items => Err(format!(
                "{} stands for nothing, because -n 0 inserts no item: leave it out, or pass one item with -n 1",
                String::from_utf8_lossy(&text[..length])
            )),
            found => Ok(found),
        }
    }

    fn find(&self, text: &[u8]) -> Result<Option<(Placeholder, usize)>, String> {
        let item = self.item_text();
        if text.starts_with(item) {
            return Ok(Some((Placeholder::Values(Part::Whole), item.len())));
        }
        if let Some((written, placeholder)) = self.renamed.iter().find(|(written, _)| text.starts_with(written)) {
            return Ok(Some((*placeholder, written.len())));
        }
        let Some(inner) = text.strip_prefix(b"{") else { return Ok(None) };
        if inner.starts_with(b"=") && inner.windows(2).any(|part| part == b"=}") {
            return Err(COMPUTED.to_owned());
        }
        let Some(end) = inner.iter().position(|&byte| byte == b'}') else { return Ok(None) };
        let (inner, length) = (&inner[..end], end + 2);
        let is_built_in = matches!(inner, b"#" | b"%") || Part::written(inner, self.is_plus).is_some();
        // As for GNU parallel, `{#}` stands for the column that is named `#`, if there is one.
        let named = self.names.iter().position(|name| is_built_in && name == inner);
        let placeholder = match (inner, named) {
            // With another text for `-I`, `{}` is no placeholder.
            (b"", _) => None,
            (_, Some(n)) => Some(Placeholder::Value(Position::of_name(n), Part::Whole)),
            (b"#", None) => Some(Placeholder::Index),
            (b"%", None) => Some(Placeholder::Slot),
            (_, None) => match Part::written(inner, self.is_plus) {
                Some(part) => Some(Placeholder::Values(part)),
                None => self.one_value(inner)?,
            },
        };
        let is_renamed = placeholder.is_some_and(|found| self.renamed.iter().any(|(_, other)| *other == found));
        if is_renamed {
            return Ok(None);
        }
        if placeholder.is_none()
            && self.is_plus
            && let Some(advice) = computed_advice(inner).or_else(|| computed_advice(without_position(inner)))
        {
            return Err(format!(
                "{{{}}} is not supported: {advice}; without --plus it is text",
                display::escaped(inner)
            ));
        }
        Ok(placeholder.map(|placeholder| (placeholder, length)))
    }

    /// Returns the placeholder for one value, by its position or its name.
    fn one_value(&self, inner: &[u8]) -> Result<Option<Placeholder>, String> {
        for (n, name) in self.names.iter().enumerate() {
            if let Some(part) = inner.strip_prefix(&name[..]).and_then(|rest| Part::written(rest, self.is_plus)) {
                return Ok(Some(Placeholder::Value(Position::of_name(n), part)));
            }
        }
        let digits_start = usize::from(inner.starts_with(b"-"));
        let digits_end = inner[digits_start..].iter().position(|byte| !byte.is_ascii_digit());
        let digits_end = digits_end.map_or(inner.len(), |at| digits_start + at);
        // As for GNU parallel, `{1 }` and `{1 .}` are values as well.
        let Some(part) = Part::written(inner[digits_end..].trim_ascii_start(), self.is_plus) else { return Ok(None) };
        let position = std::str::from_utf8(&inner[..digits_end]).ok().and_then(|number| number.parse::<i32>().ok());
        let Some(position) = position.map(Position) else { return Ok(None) };
        let shown = display::escaped(inner);
        match &self.replace {
            // For GNU parallel `-I {}` changes nothing, but for `xargs` it makes `{1}` a text.
            Some(replace) if replace == b"{}" && position.0 != 0 => {
                // Not for `{1.}`, which would stand for a value even with `-I @`.
                let as_text = if part == Part::Whole {
                    "; for the text, choose another placeholder for the item, such as -I @"
                } else {
                    ""
                };
                Err(format!(
                    "with -I {{}}, {{{shown}}} is text for xargs and a value for GNU parallel: leave out -I {{}} for the \
                     value{as_text}"
                ))
            }
            // As for GNU parallel, the text of `-I` replaces `{}` and `{1}`, and not `{.}` and `{1.}`.
            Some(_) => {
                let is_value = part != Part::Whole && self.max_values.is_none_or(|number| position.is_within(number));
                Ok((is_value && position.0 != 0).then_some(Placeholder::Value(position, part)))
            }
            None if position.0 == 0 => Err(format!(
                "{{{shown}}} stands for no value: values are counted from 1; to pass it as text, choose another placeholder \
                 for the item, such as -I @"
            )),
            None => match self.max_values {
                Some(number) if !position.is_within(number) => {
                    let values = if number == 1 { "1 value".to_owned() } else { format!("{number} values") };
                    Err(format!(
                        "{{{shown}}} stands for no value: an item has {values}; further lists (:::) or --colsep give more; to \
                         pass it as text, choose another placeholder for the item, such as -I @"
                    ))
                }
                _ => Ok(Some(Placeholder::Value(position, part))),
            },
        }
    }
}

/// Returns the text between braces without the position of a value: `%.gz` of `{2%.gz}`.
fn without_position(inner: &[u8]) -> &[u8] {
    let unsigned = inner.strip_prefix(b"-").unwrap_or(inner);
    let digits = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { inner } else { &unsigned[digits..] }
}

/// Returns what to write instead of a placeholder that GNU parallel computes with `--plus`; `None` for any other text.
fn computed_advice(inner: &[u8]) -> Option<&'static str> {
    Some(match inner {
        b"##" => "the number of all items is not known before they are read; count them first, for example with wc -l",
        b"0#" => "printf adds zeros, as in --shell 'printf \"%03d\\n\" {#}'",
        b"0%" => "printf adds zeros, as in --shell 'printf \"%03d\\n\" {%}'",
        b"slot" => "{%} is the number of the slot",
        b"hgrp" | b"agrp" => "groups of machines are not supported",
        b"host" | b"sshlogin" => {
            "in a line for the shell, hostname prints the name of the machine, as in --shell 'echo $(hostname) {}'"
        }
        b"uniq" | b"choose_k" => {
            "a line for the shell can leave combinations out, as in --shell 'if [ {1} != {2} ]; then …; fi'"
        }
        [first, _, ..] if b":#%/^,".contains(first) => {
            "a line for the shell can compute its value, as in --shell 'f={}; echo ${f#*/}'"
        }
        _ => return None,
    })
}
