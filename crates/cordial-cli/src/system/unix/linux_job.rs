//! Whether a shell can continue this program after Ctrl-Z.

use std::collections::HashMap;

use super::group_table::GroupTable;
use super::processes::{Process, Processes};

/// Returns whether Ctrl-Z may suspend this program, because a shell or another program can continue it.
///
/// A shell that can continue this program is in the same session, in another process group, and is the parent of a process of this
/// group. There is no such shell if this program is the first one of a new terminal or of a container. The function then returns
/// `false`, and the system itself ignores Ctrl-Z for such a process group, too. If neither this program nor one of its commands is in the
/// foreground of the terminal, another program has sent the signal, and can also send SIGCONT. Returns `true` if `/proc` does not show
/// enough to decide.
pub(super) fn can_be_continued(groups: &GroupTable) -> bool {
    let Some(own) = Processes::own() else { return true };
    // With `--tty`, a command may have got the terminal since the signal was sent.
    let is_in_foreground = own.foreground == own.group || groups.is_in_foreground();
    // The session is 0 if it was made outside of the PID namespace. `/proc` then does not show its shell.
    if own.session == 0 || !is_in_foreground {
        return true;
    }
    let all: Vec<Process> = Processes::all().collect();
    let by_number: HashMap<_, _> = all.iter().filter_map(|process| Some((process.number()?, process))).collect();
    let members = all.iter().filter(|process| process.group == own.group);
    let mut parents = members.filter_map(|member| by_number.get(&member.parent));
    parents.any(|parent| parent.group != own.group && parent.session == own.session)
}
