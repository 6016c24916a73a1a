//! The length of the line that carries a command to another machine.
//!
//! The line and the script around it quote each value, some of them several times, and the script names each file several times. So the
//! length is measured, with values that have all parts of a path.

use super::commands::Remote;
use super::host::Host;
use crate::command_size::CommandSize;
use crate::item::{Item, Value};
use crate::template::CommandTemplate;

/// The bytes for the variables with the index, the slot and the attempt.
const VARIABLES_BYTES: usize = 4096;

/// A value, the same with one more byte in each of its parts, and with a quote in each.
struct Probe {
    value: &'static str,
    longer: &'static [&'static str],
    quoted: &'static [&'static str],
}

/// The values to try. A line for a shell may accept only numbers, or only names.
const PROBES: [Probe; 3] = [
    Probe { value: "d/v.e", longer: &["dd/v.e", "d/vv.e", "d/v.ee"], quoted: &["'/v.e", "d/'.e", "d/v.'"] },
    Probe { value: "1", longer: &["11"], quoted: &[] },
    Probe { value: "v", longer: &["vv"], quoted: &[] },
];

impl Remote {
    /// Returns the length of the line, or of the script around it, as a function of the records of an item: at least what it becomes.
    /// `None` if all commands run on this machine.
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
        PROBES.iter().find_map(|&Probe { value, longer, quoted }| {
            let one = self.bytes_on(host, template, &[value])?;
            let two = self.bytes_on(host, template, &[value, value])?;
            let most_added = |others: &[&str]| {
                let lengths = others.iter().filter_map(|other| self.bytes_on(host, template, &[*other]));
                lengths.max().unwrap_or(one).saturating_sub(one)
            };
            let copies = most_added(longer);
            // The name of a variable may end with the number of its value, which has at most six digits: five more than here.
            let ten = self.bytes_on(host, template, &[value; 10])?;
            let nine = self.bytes_on(host, template, &[value; 9])?;
            let per_digit = ten.saturating_sub(nine).saturating_sub(two.saturating_sub(one));
            Some(CommandSize {
                fixed: one + VARIABLES_BYTES,
                around: 0,
                per_value: (two.saturating_sub(one) + 5 * per_digit).saturating_sub(copies * value.len()),
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
