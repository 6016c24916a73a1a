//! What `ssh` runs on the other machine: a line for the login shell.
//!
//! ```text
//! login shell ── exec ──► sh OUTER ──► sh INNER, the leader of a new process group ── exec ──► the command
//!                            │ ├── the watch: waits for the end of standard input, then ends the group
//!                            │ └── after the command: ends the watch and the rest of the group
//!                            └── exits with the status of the command
//! ```
//!
//! Standard input of the connection stays open while the command runs. The watch reads it:
//!
//! ```text
//! a line, because the item has to end ──► SIGTERM ── standard input ends: `cordial` has killed the connection ──► SIGKILL
//! its end without a line, because `cordial` was killed or the connection broke ──► SIGTERM ── grace ──► SIGKILL
//! ```
//!
//! In the first case `cordial` waits for the grace period, or until a second signal ends the wait. OUTER starts the watch: a watch that
//! INNER starts becomes a child of the command, which does not expect it. INNER starts the watch only if there is no temporary file.
//! OUTER waits for its watch, because process 1 of a container may not reap orphans.
//!
//! `ssh` exits with 255 if its connection has failed, and if the command has exited with 255. In the second case the script
//! leaves a mark on the machine, an empty directory, and `cordial` asks whether it is there. If the mark cannot be made, the script exits
//! with 254 instead: with 255 and without a mark, the command would be run again.
//!
//! Words are quoted for the login shell, which need not be a shell of the POSIX family: only with single quotes, and the
//! scripts have one line.

use std::time::Duration;

/// `$1` is the mark, `$2` is the script INNER, the other arguments are the words of the command. `$cordial_t` is a file for the id
/// of the group; empty if it cannot be created. The variables that OUTER assigns before it starts the command have long names: if the
/// login exports a variable of the same name, the command would get the value that OUTER assigns.
const OUTER: &str = concat!(
    "cordial_m=$1; cordial_i=$2; shift 2; cordial_t=$(mktemp 2>/dev/null) || cordial_t=; ",
    "cordial_r=setsid; command -v setsid >/dev/null 2>&1 || cordial_r=\"perl -e setpgrp;exec@ARGV\"; ",
    // Suppresses messages of the shell itself, such as that a signal has ended the command.
    "exec 6>&2 2>/dev/null; cordial_w=; ",
    "if [ -n \"$cordial_t\" ]; then (exec >/dev/null 6>&-; read x <&3 && e=\"read x\" || e=\"sleep GRACE\"; ",
    "until read p <\"$cordial_t\"; do sleep 1; done; kill -s TERM -- \"-$p\"; $e <&3; kill -s KILL -- \"-$p\") & cordial_w=$!; fi; ",
    "(exec $cordial_r sh -c \"$cordial_i\" sh \"$cordial_t\" \"$@\" 2>&6 6>&-); s=$?; ",
    "if [ -n \"$cordial_t\" ]; then kill -s KILL $cordial_w; wait $cordial_w; ",
    "read p <\"$cordial_t\" && kill -s KILL -- \"-$p\" 2>/dev/null; rm -f \"$cordial_t\"; fi; ",
    "[ $s != 255 ] || mkdir -- \"$cordial_m\" || { s=254; ",
    "echo \"cordial: status 254 stands for 255 of the command, since /tmp of its machine cannot be written\" >&6; }; exit $s",
);

/// The start of INNER. `$1` is the file for the id of the group, the other arguments are the words of the command. Without a file, INNER
/// starts the watch itself, because OUTER does not learn the id. `Script::line` appends the exports of the variables of the command,
/// and the `exec` of the command. The exports are last, because both scripts have variables of their own.
const INNER: &str = concat!(
    "if [ -n \"$1\" ]; then echo $$ >\"$1\"; else ",
    "(trap \"\" TERM; exec >/dev/null 2>&1; read x <&3 && e=\"read x\" || e=\"sleep GRACE\"; ",
    "kill -s TERM -- \"-$$\" || kill -s TERM $$; $e <&3; kill -s KILL -- \"-$$\" || kill -s KILL $$) & fi; shift; ",
);

/// The status of `question` if there is a mark.
pub(super) const MARKED: i32 = 9;

/// The options that are the same for all commands on other machines.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// The time between SIGTERM and SIGKILL after `cordial` was killed.
    pub(super) grace: Duration,
    /// What `nice` adds to the nice value of the command.
    pub(super) nice: Option<i32>,
}

impl Script {
    /// Returns the line that runs a command in a directory, which is created if it is missing. If `directory` is empty, the command
    /// runs in the login directory.
    pub(super) fn line(
        &self,
        directory: &[u8],
        variables: &[(Vec<u8>, Vec<u8>)],
        mark: &str,
        words: &[&[u8]],
    ) -> Vec<u8> {
        let seconds = self.grace.as_secs().saturating_add(u64::from(self.grace.subsec_nanos() > 0));
        let mut outer = b"exec 3<&0 </dev/null; ".to_vec();
        outer.extend_from_slice(&enter(directory));
        outer.extend_from_slice(OUTER.replace("GRACE", &seconds.to_string()).as_bytes());
        let mut inner = INNER.replace("GRACE", &seconds.to_string()).into_bytes();
        for (name, value) in variables {
            inner.extend_from_slice(&[b"export ", &name[..], b"=", &quoted(value), b"; "].concat());
        }
        let priority = self.nice.map(|by| format!("nice -n {by} ")).unwrap_or_default();
        inner.extend_from_slice(format!("exec {priority}\"$@\" 3<&-").as_bytes());
        let mut line = in_sh(&outer);
        line.extend_from_slice(b" sh ");
        line.extend_from_slice(&quoted(mark.as_bytes()));
        line.push(b' ');
        line.extend_from_slice(&quoted(&inner));
        for word in words {
            line.push(b' ');
            line.extend_from_slice(&quoted(word));
        }
        line
    }
}

/// Returns the line that removes a mark. Its status says whether there was one.
pub(super) fn question(mark: &str) -> Vec<u8> {
    in_sh(
        &[b"if rmdir -- ", mark.as_bytes(), b" 2>/dev/null; then exit ", MARKED.to_string().as_bytes(), b"; fi"]
            .concat(),
    )
}

/// Returns the line that succeeds if there is a mark.
pub(super) fn is_marked(mark: &str) -> Vec<u8> {
    in_sh(&[b"[ -d ", mark.as_bytes(), b" ]"].concat())
}

/// Returns the start of a script, which creates and enters a directory unless the name is empty. `cd` would search `CDPATH` for a
/// relative path without `./`, and read `-` as the previous directory.
pub(super) fn enter(directory: &[u8]) -> Vec<u8> {
    match directory.is_empty() {
        true => Vec::new(),
        false => {
            let start: &[u8] = if directory.starts_with(b"/") { b"" } else { b"./" };
            let shown = quoted(&[start, directory].concat());
            [b"mkdir -p -- ", &shown[..], b" && cd -- ", &shown, b" || exit 1; "].concat()
        }
    }
}

/// Returns a line that runs a script with `sh`. The login shell that reads the line need not be a shell of the POSIX family.
pub(super) fn in_sh(script: &[u8]) -> Vec<u8> {
    [b"exec sh -c ", &quoted(script)[..]].concat()
}

/// Quotes a word with single quotes, which also shells outside the POSIX family understand. Quotes and backslashes of the word are
/// outside the quotes, since fish reads `\'` and `\\` inside them as escapes.
pub(super) fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' | b'\\' => quoted.extend_from_slice(&[b'\'', b'\\', byte, b'\'']),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_outside_the_quotes() {
        for (word, line) in [
            (&b""[..], &br"''"[..]),
            (b"a b", br"'a b'"),
            (br"it's", br"'it'\''s'"),
            (br"x\", br"'x'\\''"),
            (br"\'", br"''\\''\'''"),
        ] {
            assert_eq!(quoted(word), line, "{}", String::from_utf8_lossy(word));
        }
        assert_eq!(in_sh(b"a 'b'"), br"exec sh -c 'a '\''b'\'''");
    }
}
