//! The files of the commands of a worker, which share directories.
//!
//! A file is removed after the last command that uses it, and only if no command found it there: it may be the original, because a worker
//! can run on the machine of `cordial map`, or share its file system.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound::{Included, Unbounded};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::command::CommandFiles;
use crate::system;
use crate::text::file_name::removable;

/// How many places are kept. Only files that are the same for all commands of a run are kept while no command uses them. A file that is
/// forgotten is unpacked again when a command needs it, and a command that returns a file of the same name removes it.
const MAX_PLACES: usize = 16_384;

/// The places of the files that commands use, and of the files that are the same for all commands of a run.
#[derive(Default)]
pub(super) struct Places(Mutex<BTreeMap<Key, Place>>);

/// A path, and the object that holds a file for all commands of a run. For another file, the name of the object is empty.
type Key = (PathBuf, String);

struct Place {
    n_users: usize,
    /// Whether the file stays after the last user: it was there before the first one, or a user leaves it there.
    is_kept: bool,
    /// Set when a file for all commands of a run is unpacked.
    unpacked: Arc<OnceCell<()>>,
}

impl Places {
    /// Returns the cell that is set when an object is unpacked, so that it is not unpacked again in the same directory.
    pub(super) fn unpacked(&self, directory: &Path, name: &[u8], object: &str) -> Arc<OnceCell<()>> {
        let key = path(directory, name).map(|path| (path, object.to_owned()));
        key.and_then(|key| Some(self.lock().get(&key)?.unpacked.clone())).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the path of a file, the same for each way to write its name without `..`.
fn path(directory: &Path, name: &[u8]) -> Option<PathBuf> {
    Some(directory.join(system::os_string(name.to_vec()).ok()?).components().collect())
}

/// The files of a command in its directory. Dropping this value removes the files that no other command uses, if they are cleaned: the
/// whole directory if it belongs to the item alone; otherwise the sent files that were not there before, the returned files, and each of
/// their directories that is then empty. It is also dropped when the command is killed.
pub(super) struct PlacedFiles<'a> {
    places: &'a Places,
    directory: &'a Path,
    files: &'a CommandFiles,
    used: Vec<Key>,
    is_kept: bool,
}

impl<'a> PlacedFiles<'a> {
    /// Has to be called before the files are unpacked.
    pub(super) fn new(places: &'a Places, files: &'a CommandFiles, directory: &'a Path) -> PlacedFiles<'a> {
        let mut used = Vec::new();
        if !files.has_own_directory {
            let mut known = places.lock();
            if known.len() >= MAX_PLACES {
                known.retain(|_, place| place.n_users > 0);
            }
            let common = files.common.iter().map(|file| (&file.name, file.object.clone(), true));
            let sent = files.sent.iter().map(|file| (&file.name, String::new(), true));
            let returned = files.returned.iter().map(|name| (name, String::new(), false));
            for (name, object, is_sent) in common.chain(sent).chain(returned) {
                if object.is_empty() && removable(name).is_none() {
                    continue;
                }
                let Some(path) = path(directory, name) else { continue };
                let was_there = || is_sent && fs::symlink_metadata(&path).is_ok();
                let key = (path.clone(), object);
                let place = known.entry(key.clone()).or_insert_with(|| Place {
                    n_users: 0,
                    is_kept: was_there(),
                    unpacked: Arc::default(),
                });
                place.n_users += 1;
                used.push(key);
            }
        }
        PlacedFiles { places, directory, files, used, is_kept: !files.is_cleaned }
    }

    /// Drops the value without removing the files.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for PlacedFiles<'_> {
    fn drop(&mut self) {
        // Errors are ignored: a missing file needs no removal, and a file that cannot be removed stays.
        if self.files.has_own_directory {
            if !self.is_kept {
                let _ = fs::remove_dir_all(self.directory);
            }
            return;
        }
        // Files are removed under the lock: a command that begins meanwhile would find a file that is about to be removed.
        let mut known = self.places.lock();
        let mut unused = Vec::new();
        for key in &self.used {
            let Some(place) = known.get_mut(key) else { continue };
            place.n_users -= 1;
            place.is_kept |= self.is_kept;
            let is_common = !key.1.is_empty();
            if is_common || place.n_users > 0 {
                continue;
            }
            if !place.is_kept {
                unused.push(&key.0);
            }
            known.remove(key);
        }
        for path in unused {
            remove(&known, path, self.directory);
        }
    }
}

/// Removes a file, and each of its directories below `directory` that is then empty. What has another place in it stays.
fn remove(known: &BTreeMap<Key, Place>, path: &Path, directory: &Path) {
    let is_used = |path: &Path| {
        let from = Included((path.to_owned(), String::new()));
        known.range((from, Unbounded)).next().is_some_and(|((other, _), _)| other.starts_with(path))
    };
    if is_used(path) {
        return;
    }
    let _ = remove_all(path);
    let folders = path.ancestors().skip(1);
    for folder in folders.take_while(|folder| *folder != directory && folder.starts_with(directory)) {
        if is_used(folder) || fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::command::SentFile;

    fn files(common: &[&str], sent: &[&str], returned: &[&str]) -> CommandFiles {
        let file = |name: &&str| SentFile { name: name.as_bytes().to_vec(), object: format!("run/{name}") };
        CommandFiles {
            sent: sent.iter().map(file).collect(),
            common: common.iter().map(file).collect(),
            returned: returned.iter().map(|name| name.as_bytes().to_vec()).collect(),
            is_cleaned: true,
            has_own_directory: false,
        }
    }

    /// A directory, and a function that says which of its files are left.
    fn directory() -> (tempfile::TempDir, impl Fn(&[&str]) -> Vec<bool>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        (directory, move |names: &[&str]| names.iter().map(|name| path.join(name).exists()).collect())
    }

    #[test]
    fn a_file_is_removed_after_its_last_command_unless_it_was_there_before() {
        let (directory, exist) = directory();
        let directory = directory.path();
        fs::write(directory.join("original"), "").unwrap();
        let (places, files) = (Places::default(), files(&[], &["original", "./d/a/."], &["d/a/b", "out", "original"]));
        let one = PlacedFiles::new(&places, &files, directory);
        fs::create_dir_all(directory.join("d/a")).unwrap();
        for name in ["original", "d/a/b", "d/a/c", "out"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let two = PlacedFiles::new(&places, &files, directory);
        drop(one);
        assert_eq!(exist(&["original", "d/a/c", "out"]), [true; 3]);
        drop(two);
        assert_eq!(exist(&["original", "d", "out"]), [true, false, false]);
        assert!(places.lock().is_empty());
    }

    #[test]
    fn a_file_for_all_commands_and_what_contains_it_stays() {
        let (directory, exist) = directory();
        let directory = directory.path();
        let (places, files) = (Places::default(), files(&["d/all"], &[], &["d/all", "d"]));
        let placed = PlacedFiles::new(&places, &files, directory);
        fs::create_dir(directory.join("d")).unwrap();
        fs::write(directory.join("d/all"), "").unwrap();
        drop(placed);
        assert_eq!(exist(&["d/all"]), [true]);
    }

    #[test]
    fn no_name_removes_the_directory_of_the_command_or_one_above_it() {
        let (directory, exist) = directory();
        fs::create_dir(directory.path().join("below")).unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let names = [".", "", "./", "..", "x/..", "../.", "/"];
        let (places, files) = (Places::default(), files(&[], &names, &names));
        drop(PlacedFiles::new(&places, &files, &directory.path().join("below")));
        assert_eq!(exist(&["below", "file"]), [true; 2]);
    }

    #[test]
    fn all_files_for_all_commands_are_remembered_as_unpacked() {
        let (directory, _) = directory();
        let directory = directory.path();
        let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (places, files) = (Places::default(), files(&names, &[], &[]));
        let unpacked = |file: &SentFile| places.unpacked(directory, &file.name, &file.object);
        let placed = PlacedFiles::new(&places, &files, directory);
        files.common.iter().for_each(|file| unpacked(file).set(()).unwrap());
        drop(placed);
        let _placed = PlacedFiles::new(&places, &files, directory);
        assert!(files.common.iter().all(|file| unpacked(file).initialized()));
    }
}
