//! Follows items through the variables of a shell line, to the places where the shell evaluates a variable.
//!
//! `x={}; y=$x; echo $((y))` calculates with the item. An item can also get into a variable through a pipe, a file, or the arguments of
//! a function or of `set`, and these ways are not followed. Instead, if the line calculates with any variable, no item may contain a
//! command that a calculation would run; and if the line performs the substitutions that the value of any variable contains, as
//! `${x@P}` does, no item may contain a substitution.

use super::placeholder::Placeholder;
use super::shell_check::Check;
use super::shell_words;

/// Which variables of a line may contain an item, and which of them the shell evaluates.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Variables that the shell evaluates, and what their values have to be.
    evaluated: Vec<(Vec<u8>, Check)>,
    /// Variables that get an item.
    assigned: Vec<(Vec<u8>, Placeholder)>,
    /// Assignments such as `y=$x`: the variable whose value is copied, and the variable that gets it.
    copied: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the line calculates with a variable, with an argument, or with the output of a command.
    calculates: bool,
    /// Whether the line performs the substitutions that the value of a variable or of an argument contains.
    expands: bool,
    /// Whether the line may trace its commands, as `set -x` does. bash prints `PS4` before each of them, and performs the substitutions in it.
    traces: bool,
}

impl Flow {
    /// Returns the flow of a line, as far as it is known before the line is scanned.
    pub(super) fn new(line: &[u8]) -> Flow {
        let evaluated = shell_words::evaluated(line).collect();
        Flow {
            evaluated,
            calculates: shell_words::calculates(line),
            expands: shell_words::expands(line),
            traces: shell_words::traces(line),
            ..Flow::default()
        }
    }

    /// Notes that the shell evaluates a variable at one place.
    pub(super) fn evaluate(&mut self, name: Vec<u8>, check: Check) {
        self.calculates |= matches!(check, Check::NoCommand | Check::Name);
        // A variable that contains a name may contain the name `PS4`.
        self.expands |= check == Check::Plain || (check == Check::Name && self.traces);
        self.evaluated.push((name, check));
    }

    /// Notes that the shell calculates with an argument, or with the output of a command.
    pub(super) fn calculate(&mut self) {
        self.calculates = true;
    }

    /// Notes that variables get an item.
    pub(super) fn assign(&mut self, names: Vec<Vec<u8>>, placeholder: Placeholder) {
        self.assigned.extend(names.into_iter().map(|name| (name, placeholder)));
    }

    /// Notes that variables get the value of another one.
    pub(super) fn copy(&mut self, from: &[u8], names: Vec<Vec<u8>>) {
        self.copied.extend(names.into_iter().map(|name| (from.to_vec(), name)));
    }

    /// Returns the checks of placeholders whose items the shell may evaluate after a variable has passed them on.
    pub(super) fn checks(
        mut self,
        placeholders: impl Iterator<Item = Placeholder> + Clone,
    ) -> Vec<(Placeholder, Check)> {
        let mut checks = Vec::new();
        let mut at = 0;
        while let Some((name, placeholder)) = self.assigned.get(at).cloned() {
            at += 1;
            for (_, copy) in self.copied.iter().filter(|(from, _)| *from == name) {
                if !self.assigned.contains(&(copy.clone(), placeholder)) {
                    self.assigned.push((copy.clone(), placeholder));
                }
            }
            let evaluated = self.evaluated.iter().filter(|(other, _)| *other == name);
            checks.extend(evaluated.map(|(_, check)| (placeholder, *check)));
        }
        // These checks come last, because the messages of the other checks say more about the item.
        let fallbacks = [(self.expands, Check::Plain), (self.calculates, Check::NoCommand)];
        for (_, check) in fallbacks.into_iter().filter(|(applies, _)| *applies) {
            checks.extend(placeholders.clone().map(|placeholder| (placeholder, check)));
        }
        checks
    }
}
