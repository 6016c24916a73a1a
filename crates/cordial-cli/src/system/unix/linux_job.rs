//! Whether a shell can continue this program after Ctrl-Z.

use std::collections::HashMap;

use super::processes::{Process, Processes};

/// Returns whether the signal of Ctrl-Z may suspend this program. It may not in the foreground of a terminal without a shell that could
/// continue this program, as in a new terminal or a container whose first program is this one: there, no process outside of this
/// process group, in its session, has started one of its processes. The system ignores Ctrl-Z for such programs, too. Outside of the
/// foreground, the signal comes from a program, which can also send SIGCONT. Returns `true` if `/proc` does not show all that.
pub(super) fn can_be_continued() -> bool {
    let Some(own) = Processes::own() else { return true };
    // 0: the session was made outside of the PID namespace, and its shell is not shown.
    if own.session == 0 || own.foreground != own.group {
        return true;
    }
    let all: Vec<Process> = Processes::all().collect();
    let by_number: HashMap<_, _> = all.iter().filter_map(|process| Some((process.number()?, process))).collect();
    let members = all.iter().filter(|process| process.group == own.group);
    let mut parents = members.filter_map(|member| by_number.get(&member.parent));
    parents.any(|parent| parent.group != own.group && parent.session == own.session)
}
