//! Files that are copied to the machine before the command, and back after it.
//!
//! `tar` copies them, through connections of their own, in a local script around the connection of the command:
//!
//! ```text
//! tar | ssh tar ──► ssh command ──► ssh tar | tar ──► ssh rm
//! ```

use super::script::{enter, in_sh, is_marked, quoted};

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
        if !self.sent.is_empty() {
            // When the item has to end, standard input gets a line or ends. The script is then killed, so that the command does not
            // begin.
            add(&[b"exec 7<&0; w=$({ read x; kill $$; } <&7 >/dev/null 2>&1 & echo $!); "]);
        }
        for file in &self.sent {
            let (base, name) = split_base(file);
            let unpack = in_sh(&[&enter(directory)[..], &self.unpacking(name)].concat());
            add(&[b"r=$({ { tar -cPf - -C ", &quoted(base), b" -- ", &quoted(name), b" </dev/null; echo $? >&4; } | "]);
            add(&[&joined(&connect_with(&unpack)), b" >&2; } 4>&1) || exit; "]);
            // `tar` has failed here: the file on the machine is missing or incomplete.
            let message = [b"cordial: cannot send the file ", &file[..]].concat();
            add(&[b"[ \"$r\" = 0 ] || { echo ", &quoted(&message), b" >&2; exit 1; }; "]);
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
            let pack =
                joined(&connect_with(&in_sh(&[&enter(directory)[..], b"tar -cPf - -- ", &quoted(name)].concat())));
            let base = quoted(base);
            // `r` is 0 if both sides have succeeded.
            add(&[b"r=$({ { ", &pack, b" </dev/null 2>&5; echo $? >&4; } | { mkdir -p -- ", &base]);
            add(&[b" && tar -C ", &base, b" -xPf - >&5 2>&5 || echo 1 >&4; }; } 4>&1); "]);
            let message = [b"cordial: cannot return the file ", name].concat();
            add(&[b"[ \"$r\" = 0 ] || [ $s != 0 ] || { echo ", &quoted(&message), b" >&2; s=1 k=1; }; "]);
        }
        if self.is_cleaned {
            let remove = match self.has_own_directory {
                true => [b"rm -rf -- ", &quoted(directory)[..]].concat(),
                false => self.removal(directory),
            };
            // If a file could not be returned, all files of the item stay on the machine.
            add(&[b"[ -n \"$k\" ] || ", &joined(&connect_with(&in_sh(&remove))), b" </dev/null; "]);
        }
        add(&[b"exit $s"]);
        script
    }

    /// Returns the line that unpacks a file. With `is_cleaned`, an item that ends at the same time removes the directory of the file
    /// if the directory is empty. To prevent this, the line keeps another file, `.cordial.PID`, in the directory until the file is
    /// unpacked.
    fn unpacking(&self, name: &[u8]) -> Vec<u8> {
        let unpack = b"tar -xPf -";
        let Some(folder) = removed_folder(name).filter(|_| self.is_cleaned && !self.has_own_directory) else {
            return unpack.to_vec();
        };
        let folder = quoted(folder);
        [
            b"n=0; until mkdir -p -- ",
            &folder[..],
            b" && true > ",
            &folder,
            b"/.cordial.$$ || [ $n = 100 ]; do n=$((n+1)); done 2>/dev/null; ",
            unpack,
            b"; s=$?; rm -f -- ",
            &folder,
            b"/.cordial.$$; exit $s",
        ]
        .concat()
    }

    /// Returns the line that removes the files, and their directories if these are empty.
    fn removal(&self, directory: &[u8]) -> Vec<u8> {
        let mut line = enter(directory);
        for file in self.sent.iter().chain(&self.returned) {
            let name = split_base(file).1;
            line.extend_from_slice(&[b"rm -rf -- ", &quoted(name)[..], b"; "].concat());
            if let Some(folder) = removed_folder(name) {
                line.extend_from_slice(&[b"rmdir -p -- ", &quoted(folder)[..], b" 2>/dev/null; "].concat());
            }
        }
        line.extend_from_slice(b"true");
        line
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
