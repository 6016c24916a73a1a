//! Files that are copied to the machine before the command, and back after it.
//!
//! `tar` copies them, through connections of their own, in a local script around the connection of the command:
//!
//! ```text
//! tar | ssh tar ──► ssh command ──► ssh tar | tar ──► ssh rm
//! ```

use super::script::{enter, in_sh, is_marked, quoted};
use crate::item_failure::ItemFailure;
use crate::text::display;
use crate::text::file_name::{member, packed, removable, split_last};

/// The files of one item.
#[derive(Debug, Default)]
pub(super) struct ItemFiles {
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) returned: Vec<Vec<u8>>,
    pub(super) is_cleaned: bool,
    /// Whether the directory belongs to the item alone. With `is_cleaned`, it is then removed as a whole.
    pub(super) has_own_directory: bool,
}

impl ItemFiles {
    /// Returns whether there is nothing to do besides running the command.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.returned.is_empty() && !(self.is_cleaned && self.has_own_directory)
    }

    /// Returns the local script. `run` is the local command that runs the command on the machine, and `connect_with` returns
    /// the local command that runs another line there. `mark` is the directory that the command leaves on the machine if it exits
    /// with the status of a failed connection.
    pub(super) fn script(
        &self,
        directory: &[u8],
        mark: &str,
        run: &[Vec<u8>],
        connect_with: impl Fn(&[u8]) -> Vec<Vec<u8>>,
    ) -> Vec<u8> {
        let mut script = Vec::new();
        let mut add = |parts: &[&[u8]]| parts.iter().for_each(|part| script.extend_from_slice(part));
        if self.is_cleaned {
            let remove = joined(&connect_with(&[&in_sh(&self.removal(directory, mark))[..], b" sh"].concat()));
            // `e` continues the last word, which is the line for the machine.
            add(&[b"e=; d() { ", &remove, b"\"$e\" </dev/null; }; "]);
        }
        if !self.sent.is_empty() {
            let removal: &[u8] = if self.is_cleaned { b"; d" } else { b"" };
            add(&[b"f() { echo \"cordial: cannot send the file $n\" >&2", removal, b"; exit $1; }; "]);
            // `$1` continues the last word. Each file would make the script much longer if it repeated this line.
            let unpack = joined(&connect_with(&[&in_sh(&unpacking(directory, mark))[..], b" sh"].concat()));
            add(&[b"u() { ", &unpack, b"\"$1\"; }; "]);
            // When the item has to end, standard input gets a line or ends. The script is then killed, so that the command does not
            // begin.
            add(&[b"exec 7<&0; w=$({ read x; kill $$; } <&7 >/dev/null 2>&1 & echo $!); "]);
        }
        for file in &self.sent {
            let (base, name) = split_base(file);
            let (folder, last) = split_last(name);
            add(&[b"n=", &quoted(file), b"; r=$({ { tar -cf - -C ", &quoted(&below(base, folder))]);
            let arguments = [b" ", &quoted(folder)[..], b" ", &quoted(last)].concat();
            add(&[
                b" -- ",
                &quoted(&packed(last)),
                b" </dev/null; echo $? >&4; } | u ",
                &quoted(&arguments),
                b" >&2; } 4>&1); c=$?; ",
            ]);
            // After a failed connection, nothing can be removed.
            add(&[b"case $c in 0|", EXISTED, b") e=\"$e $c\";; 255) exit 255;; *) f $c;; esac; "]);
            // `tar` has failed here: the file on the machine is missing or incomplete.
            add(&[b"[ \"$r\" = 0 ] || f 1; "]);
        }
        if !self.sent.is_empty() {
            add(&[b"kill $w; exec 7<&-; "]);
        }
        let is_marked = joined(&connect_with(&is_marked(mark)));
        add(&[
            &joined(run),
            b"; s=$?; k=; [ $s != 255 ] || ",
            &is_marked,
            b" </dev/null >/dev/null 2>&1 || exit 255; ",
        ]);
        if !self.returned.is_empty() {
            // A command that has failed may not have made its files, so a missing file is then not reported.
            add(&[b"if [ $s = 0 ]; then exec 5>&2; else exec 5>/dev/null; fi; "]);
        }
        for file in &self.returned {
            let (base, name) = split_base(file);
            let (folder, last) = split_last(name);
            let pack =
                [&enter(directory)[..], b"tar -cf - -C ", &quoted(folder), b" -- ", &quoted(&packed(last))].concat();
            let pack = joined(&connect_with(&in_sh(&pack)));
            let base = quoted(&below(base, folder));
            // `r` is 0 if both sides have succeeded.
            add(&[b"r=$({ { ", &pack, b" </dev/null 2>&5; echo $? >&4; } | { mkdir -p -- ", &base]);
            // The archive may contain other files, which are not unpacked: another user may control the machine.
            add(&[
                b" && tar -C ",
                &base,
                b" -xf - -- ",
                &quoted(&member(last)),
                b" >&5 2>&5 || echo 1 >&4; }; } 4>&1); ",
            ]);
            let message = [b"cordial: cannot return the file ", name].concat();
            add(&[b"[ \"$r\" = 0 ] || [ $s != 0 ] || { echo ", &quoted(&message), b" >&2; s=1 k=1; }; "]);
        }
        if self.is_cleaned {
            // If a file could not be returned, all files of the item stay on the machine.
            add(&[b"if [ -z \"$k\" ]; then "]);
            let places = self.returned.iter().map(|file| {
                let (base, name) = split_base(file);
                quoted(&shared_mark(&below(base, split_last(name).0), mark))
            });
            let places: Vec<u8> = places.flat_map(|place| [place, b" ".to_vec()].concat()).collect();
            match places.is_empty() {
                true => add(&[b"d; "]),
                false => add(&[
                    b"for l in ",
                    &places,
                    b"; do mkdir -- \"$l\"; done 2>/dev/null; d; rmdir -- ",
                    &places,
                    b"2>/dev/null; ",
                ]),
            }
            add(&[b"fi; "]);
        }
        add(&[b"exit $s"]);
        script
    }

    /// Returns the script that removes the files, and their directories if these are empty. Its arguments are the statuses of the lines
    /// that have unpacked the sent files. A file that was not sent, or that was on the machine before, stays. So does a returned file if
    /// the machine sees the local file under that name.
    fn removal(&self, directory: &[u8], mark: &str) -> Vec<u8> {
        if self.has_own_directory {
            return [b"rm -rf -- ", &quoted(directory)[..]].concat();
        }
        let mut script = enter(directory);
        let mut remove = |condition: &[u8], name: &[u8]| {
            script.extend_from_slice(&[condition, b"{ rm -rf -- ", &quoted(name)].concat());
            if let Some(folder) = removed_folder(name) {
                script.extend_from_slice(&[b"; rmdir -p -- ", &quoted(folder)[..], b" 2>/dev/null"].concat());
            }
            script.extend_from_slice(b"; }; ");
        };
        for (number, file) in (1..).zip(&self.sent) {
            if let Some(name) = removed_name(file) {
                remove(format!("[ \"${{{number}}}\" != 0 ] || ").as_bytes(), name);
            }
        }
        for name in self.returned.iter().filter_map(|file| removed_name(file)) {
            if !self.sent.iter().any(|sent| removed_name(sent).is_some_and(|sent| is_same(sent, name))) {
                let shared = quoted(&shared_mark(split_last(name).0, mark));
                remove(&[b"[ -d ", &shared[..], b" ] || "].concat(), name);
            }
        }
        script.extend_from_slice(b"true");
        script
    }

    /// Refuses files that cannot be removed.
    ///
    /// # Errors
    ///
    /// A message, if the files are to be removed, and one of the names is not [`removable`].
    pub(super) fn check(&self) -> Result<(), ItemFailure> {
        match self.is_cleaned && !self.has_own_directory {
            true => check_removable(self.sent.iter().chain(&self.returned).map(|file| split_base(file).1)),
            false => Ok(()),
        }
    }
}

/// Refuses names that cannot be removed.
///
/// # Errors
///
/// A message, if one of the names is not [`removable`].
pub(crate) fn check_removable<'a>(mut names: impl Iterator<Item = &'a [u8]>) -> Result<(), ItemFailure> {
    match names.find(|name| removable(name).is_none()) {
        Some(name) => Err(ItemFailure::NoResult(format!(
            "was not started: --cleanup cannot remove {} on the other machine, since this is the directory of the command or one above it: \
             name the files, or leave out --cleanup and --trc",
            display::quoted(name)
        ))),
        None => Ok(()),
    }
}

/// The status of the line that has unpacked a file in the place of another one.
const EXISTED: &[u8] = b"9";

/// `$1` is the directory of the file, `$2` its name there, and `$b` the name of a directory beside it. `mv` gets the directory of the file as
/// its target, since it would move a directory into another one with the name of the file, which a command that begins at the same time may
/// have made. If there can be no directory beside the file, the file may be a directory whose files can be written.
const UNPACK: &str = concat!(
    "f=$1; l=$2; t=$f/$b; e=0; [ ! -e \"$f/$l\" ] && [ ! -h \"$f/$l\" ] || e=9; ",
    "n=0; until mkdir -p -- \"$t\" || [ $n = 100 ]; do n=$((n+1)); done 2>/dev/null; ",
    "if [ -d \"$t\" ]; then tar -C \"$t\" -xf - && ",
    "{ mv -f -- \"$t/$l\" \"$f\" 2>/dev/null || tar -C \"$t\" -cf - -- \"./$l\" | tar -C \"$f\" -xf -; }; s=$?; ",
    "rm -rf -- \"$t\" 2>/dev/null || { chmod -R u+rwx -- \"$t\"; rm -rf -- \"$t\"; }; ",
    "else tar -C \"$f\" -xf -; s=$?; fi; [ $s != 0 ] || exit $e; exit $s",
);

/// Returns the script that unpacks a file. It is unpacked in a directory beside its place and then moved, so that a file that is already
/// there is never missing or incomplete. As long as that directory exists, an item that ends does not remove the directory around it.
/// The files of a directory are added to a directory that is already there.
fn unpacking(directory: &[u8], mark: &str) -> Vec<u8> {
    let beside = mark.rsplit('/').next().unwrap_or_default().as_bytes();
    [&enter(directory)[..], b"b=.", beside, b"; ", UNPACK.as_bytes()].concat()
}

/// Returns the name of a directory in `folder`. The local script makes it beside each returned file before the removal. If the machine finds it,
/// the folder is the local one, and the returned file is the only copy.
fn shared_mark(folder: &[u8], mark: &str) -> Vec<u8> {
    [folder, b"/.", mark.rsplit('/').next().unwrap_or_default().as_bytes(), b"-local"].concat()
}

/// Returns the name of a local directory below `base`, unless `folder` is absolute.
fn below(base: &[u8], folder: &[u8]) -> Vec<u8> {
    match folder.starts_with(b"/") {
        true => folder.to_vec(),
        false => [base, b"/", folder].concat(),
    }
}

/// Splits a path at the first `/./` into a local directory and a path below it, which is also the path on the other machine. Without
/// `/./`, the local directory is `.`, and the whole path is the path on the other machine.
pub(crate) fn split_base(path: &[u8]) -> (&[u8], &[u8]) {
    match path.windows(3).position(|part| part == b"/./") {
        Some(at) => (if at == 0 { b"/" } else { &path[..at] }, without_slashes(&path[at + 3..])),
        None => (b".", path),
    }
}

/// Returns a path without the slashes at its start, which would make it absolute.
fn without_slashes(path: &[u8]) -> &[u8] {
    &path[path.iter().take_while(|&&byte| byte == b'/').count()..]
}

fn removed_name(file: &[u8]) -> Option<&[u8]> {
    removable(split_base(file).1)
}

/// Returns whether two names name the same file on the other machine, whatever `./` and repeated slashes they contain.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let parts = |name: &[u8]| {
        let parts = name.split(|&byte| byte == b'/').filter(|&part| !matches!(part, b"" | b"."));
        (name.starts_with(b"/"), parts.map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    parts(a) == parts(b)
}

/// Returns the directory of a file, which is removed with the file if it is empty. `None` if the path has no directory, or is
/// absolute.
fn removed_folder(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().rposition(|&byte| byte == b'/').filter(|&at| at > 0 && name[0] != b'/')?;
    Some(&name[..at])
}

fn joined(words: &[Vec<u8>]) -> Vec<u8> {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_a_local_directory_is_relative() {
        for (path, base, name) in [
            ("a/b", ".", "a/b"),
            ("/a/b", ".", "/a/b"),
            ("d/./a/b", "d", "a/b"),
            ("d/.//etc/x", "d", "etc/x"),
            ("/.//etc/x", "/", "etc/x"),
        ] {
            assert_eq!(split_base(path.as_bytes()), (base.as_bytes(), name.as_bytes()), "{path}");
        }
    }
}
