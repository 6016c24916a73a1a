//! The length of the line that carries a command to another machine.
//!
//! The line and the script around it quote each value, some of them several times, and the script names each file several times. The
//! length is therefore measured, with values that have all parts of a path.

use super::commands::RemoteCommands;
use super::host::Host;
use crate::command_size::CommandSize;
use crate::item::{Item, Value};
use crate::template::CommandTemplate;

/// The bytes for the variables with the index, the slot and the attempt.
const VARIABLES_BYTES: usize = 4096;

/// A value, and variants of it: each has one more byte in one part of the path, or a quote in one part.
struct Sample {
    value: &'static str,
    /// The shortest values: without a directory and with one, because the script that copies a file also names the directory of the file.
    /// `@` stands for all names before which that script writes `./`.
    short: &'static [&'static str],
    longer: &'static [&'static str],
    quoted: &'static [&'static str],
}

/// The values to measure with; the first one that the template accepts is used. A line for a shell may accept only numbers, or only
/// names.
const SAMPLES: [Sample; 3] = [
    Sample {
        value: "d/v.a.b.c",
        short: &["v", "d/v", "@", "d/@"],
        longer: &["dd/v.a.b.c", "d/vv.a.b.c", "d/v.aa.b.c", "d/v.a.bb.c", "d/v.a.b.cc"],
        quoted: &["'/v.a.b.c", "d/'.a.b.c", "d/v.'.b.c", "d/v.a.'.c", "d/v.a.b.'"],
    },
    Sample { value: "1", short: &["1"], longer: &["11"], quoted: &[] },
    Sample { value: "v", short: &["v"], longer: &["vv"], quoted: &[] },
];

impl RemoteCommands {
    /// Returns an upper bound of the length of the line or of the script around it, whichever is longer, as a function of the records of an
    /// item. `None` if all commands run on this machine.
    pub(crate) fn size(&self, template: &CommandTemplate) -> Option<CommandSize> {
        let hosts = self.pool.hosts();
        let sizes = hosts.iter().filter(|host| !host.is_local()).filter_map(|host| self.size_on(host, template));
        sizes.reduce(|a, b| CommandSize {
            fixed: a.fixed.max(b.fixed),
            around: 0,
            per_value: a.per_value.max(b.per_value),
            copies: a.copies.max(b.copies),
            per_quote: a.per_quote.max(b.per_quote),
            is_quoted: false,
        })
    }

    fn size_on(&self, host: &Host, template: &CommandTemplate) -> Option<CommandSize> {
        SAMPLES.iter().find_map(|&Sample { value, short, longer, quoted }| {
            let one = self.bytes_on(host, template, &[value])?;
            let added = |values: usize, short: &str| {
                let more = self.bytes_on(host, template, &vec![short; values + 1])?;
                Some(more.saturating_sub(self.bytes_on(host, template, &vec![short; values])?))
            };
            let most_added = |others: &[&str]| {
                let lengths = others.iter().filter_map(|other| self.bytes_on(host, template, &[*other]));
                lengths.max().unwrap_or(one).saturating_sub(one)
            };
            let copies = most_added(longer);
            // `copies` already counts the bytes of each value, so those of the short value are subtracted. One byte of it is not, because
            // a part may be longer than its value: the directory of an empty value is `.`, for example.
            let around =
                short.iter().filter_map(|short| Some(added(1, short)?.saturating_sub(copies * (short.len() - 1))));
            // The name of a variable may end with the number of its value, which has at most six digits: five more than here.
            let per_digit = added(9, value)?.saturating_sub(added(1, value)?);
            Some(CommandSize {
                fixed: one + VARIABLES_BYTES,
                around: 0,
                per_value: around.max()? + 5 * per_digit,
                copies,
                per_quote: most_added(quoted),
                is_quoted: false,
            })
        })
    }

    /// Returns the length for an item with these values.
    fn bytes_on(&self, host: &Host, template: &CommandTemplate, values: &[&str]) -> Option<usize> {
        let values = values.iter().map(|value| Value::Whole(value.as_bytes().to_vec())).collect();
        // The longest numbers.
        let (index, slot) = (u64::MAX, usize::MAX);
        let item = Item { index, values, input: None };
        let command = template.fill(&item, slot).ok()?;
        let environment: Vec<_> = command.environment.iter().map(|(name, value)| (&**name, value.clone())).collect();
        let connection = self.connection(host, &item, slot, &command.words, &environment).ok()?;
        Some(connection.line_bytes.max(connection.script.map_or(0, |script| script.len())))
    }
}
