//! The files of one command on the machine of the worker. They are fetched before the command, given back after it, and removed.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cordial_nats::{Cluster, JobId};
use tokio::sync::OnceCell;

use super::archiver::Archiver;
use super::command::{CommandFiles, SentFile};
use crate::system;
use crate::text::{display, io_error};

/// Returns the directory of a command. A relative path begins in the login directory of the user of the worker.
pub(super) fn directory(workdir: PathBuf) -> PathBuf {
    match workdir.is_absolute() {
        true => workdir,
        false => system::login_directory().unwrap_or_default().join(workdir),
    }
}

/// Remembers which objects were unpacked, or are being unpacked, in which directory, so that none is unpacked there again.
#[derive(Default)]
pub(super) struct Unpacked(Mutex<VecDeque<UnpackedObject>>);

/// An object in a directory.
struct UnpackedObject {
    object: String,
    directory: PathBuf,
    /// Set when the object is unpacked there.
    unpacked: Arc<OnceCell<()>>,
}

/// How many objects are remembered. A forgotten object is unpacked again when a command needs it.
const MAX_UNPACKED: usize = 256;

/// How many times a worker tries to unpack a file whose directory other commands may remove.
const MAX_TRIES: u32 = 6;

impl Unpacked {
    fn cell(&self, object: &str, directory: &Path) -> Arc<OnceCell<()>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.iter().find(|place| place.object == object && place.directory == directory) {
            return place.unpacked.clone();
        }
        if known.len() == MAX_UNPACKED {
            known.pop_front();
        }
        let unpacked = Arc::<OnceCell<()>>::default();
        let (object, directory) = (object.to_owned(), directory.to_owned());
        known.push_back(UnpackedObject { object, directory, unpacked: unpacked.clone() });
        unpacked
    }
}

/// Makes the directory, and fetches the files that the command needs.
///
/// # Errors
///
/// A message, if the directory cannot be made, or a file cannot be fetched or unpacked.
pub(super) async fn fetch(
    archiver: &Archiver,
    unpacked: &Unpacked,
    cluster: &Cluster,
    files: &CommandFiles,
    directory: &Path,
) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| {
        let (directory, node, why) =
            (directory.display(), cluster.name(), io_error::describe_or(&error, "use --workdir DIR"));
        format!("cannot make the directory {directory} on {node}: {why}")
    })?;
    let not_sent = |name: &[u8], why| format!("cannot send the file {} to {}: {why}", shown(name), cluster.name());
    for SentFile { name, object } in &files.common {
        let unpack = || archiver.unpack(cluster, object, directory);
        let cell = if files.has_own_directory { Arc::default() } else { unpacked.cell(object, directory) };
        cell.get_or_try_init(unpack).await.map_err(|why| not_sent(name, why))?;
    }
    for SentFile { name, object } in &files.sent {
        // Unpacking fails if a command that ends meanwhile removes the directory of the file before the file is in it.
        let mut tries = if files.is_cleaned { MAX_TRIES } else { 1 };
        let unpacked = loop {
            tries -= 1;
            match archiver.unpack(cluster, object, directory).await {
                Err(_) if tries > 0 => {}
                unpacked => break unpacked,
            }
        };
        unpacked.map_err(|why| not_sent(name, why))?;
    }
    Ok(())
}

/// Packs each file that the command returns into an object, and returns the names of the objects. For a file that cannot be
/// packed, there is a message instead.
pub(super) async fn give_back(
    archiver: &Archiver,
    cluster: &Cluster,
    files: &CommandFiles,
    directory: &Path,
    (job, run): (&JobId, u32),
) -> Vec<Result<String, String>> {
    let mut objects = Vec::new();
    for (number, name) in files.returned.iter().enumerate() {
        let object = format!("{job}/{run}/{number}");
        let packed = match system::os_string(name.clone()) {
            Ok(name) => archiver.pack(cluster, &object, directory, name).await,
            Err(_) => Err("its name is invalid on the system of the worker".to_owned()),
        };
        let named = |why| format!("cannot return the file {} from {}: {why}", shown(name), cluster.name());
        objects.push(packed.map(|()| object).map_err(named));
    }
    objects
}

/// The files of a command in its directory. Dropping this value removes the files, see [`remove`]. It is also dropped when the command
/// is killed.
pub(super) struct PlacedFiles<'a> {
    files: &'a CommandFiles,
    directory: &'a Path,
    is_kept: bool,
}

impl<'a> PlacedFiles<'a> {
    pub(super) fn new(files: &'a CommandFiles, directory: &'a Path) -> PlacedFiles<'a> {
        PlacedFiles { files, directory, is_kept: false }
    }

    /// Drops the value without removing the files.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for PlacedFiles<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(self.files, self.directory);
        }
    }
}

/// Removes nothing unless `is_cleaned` is set. Removes the whole directory if it belongs to the item alone. Otherwise removes the sent and
/// returned files, and each of their directories that is then empty.
fn remove(files: &CommandFiles, directory: &Path) {
    if !files.is_cleaned {
        return;
    }
    // Errors are ignored: a missing file needs no removal, and a file that cannot be removed stays.
    if files.has_own_directory {
        let _ = fs::remove_dir_all(directory);
        return;
    }
    for name in files.sent.iter().map(|file| &file.name).chain(&files.returned) {
        let Ok(name) = system::os_string(name.clone()).map(PathBuf::from) else { continue };
        let _ = remove_all(&directory.join(&name));
        for folder in name.ancestors().skip(1).filter(|folder| folder.is_relative() && *folder != Path::new("")) {
            if fs::remove_dir(directory.join(folder)).is_err() {
                break;
            }
        }
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

fn shown(name: &[u8]) -> String {
    display::command(&[name.to_vec()])
}
