//! The files of one command on the machine of the worker. They are fetched before the command, and given back after it.

use std::fs;
use std::path::{Path, PathBuf};

use cordial_nats::{Cluster, JobId};

use super::archiver::Archiver;
use super::command::{CommandFiles, SentFile};
use super::places::Places;
use crate::system;
use crate::text::{display, io_error};

/// Returns the directory of a command. A relative path begins in the login directory of the user of the worker.
pub(super) fn directory(workdir: PathBuf) -> PathBuf {
    match workdir.is_absolute() {
        true => workdir,
        false => system::login_directory().unwrap_or_default().join(workdir),
    }
}

/// How many times a worker tries to unpack a file whose directory other commands may remove.
const MAX_TRIES: u32 = 6;

/// Makes the directory, and fetches the files that the command needs.
///
/// # Errors
///
/// A message, if the directory cannot be made, or a file cannot be fetched or unpacked.
pub(super) async fn fetch(
    archiver: &Archiver,
    places: &Places,
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
        let unpack = || archiver.replace(cluster, object, directory, name);
        places.unpacked(directory, name, object).get_or_try_init(unpack).await.map_err(|why| not_sent(name, why))?;
    }
    for SentFile { name, object } in &files.sent {
        // Unpacking fails if a command that ends meanwhile removes the directory of the file before the file is in it.
        let mut tries = if files.is_cleaned { MAX_TRIES } else { 1 };
        let unpacked = loop {
            tries -= 1;
            match archiver.replace(cluster, object, directory, name).await {
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
        let packed = archiver.pack(cluster, &object, directory, name).await;
        let named = |why| format!("cannot return the file {} from {}: {why}", shown(name), cluster.name());
        objects.push(packed.map(|()| object).map_err(named));
    }
    objects
}

fn shown(name: &[u8]) -> String {
    display::command(&[name.to_vec()])
}
