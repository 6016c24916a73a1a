//! The directories of the commands on a fleet, the files that are sent to them, and the files that are fetched from them.

use std::time::{Duration, SystemTime};

use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::fleet::{Archiver, CommandEnd, CommandFiles, CommandReply, Fleet, SentFile};
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::remote::{check_removable, fill, path_of, split_base};
use crate::system::GroupTable;
use crate::template::CommandTemplate;

/// How long the run waits for the server to delete an object.
const DELETE_LIMIT: Duration = Duration::from_secs(2);

/// The directory in which commands run, on the machines of the workers.
#[derive(Debug)]
pub(crate) enum FleetDirectory {
    /// A directory that has to exist on each machine.
    Shared(Vec<u8>),
    /// A directory that a worker creates if it is missing. A relative path is relative to the login directory.
    Made(Vec<u8>),
    /// Each item has a directory of its own.
    Own,
}

/// The options for the files and the directory of commands on a fleet.
#[derive(Debug)]
pub(crate) struct FleetFilesConfig {
    pub(crate) directory: FleetDirectory,
    pub(crate) sent: Vec<CommandTemplate>,
    pub(crate) returned: Vec<CommandTemplate>,
    pub(crate) is_cleaned: bool,
    /// The names and the values of the environment variables that the commands get from this machine.
    pub(crate) variables: Vec<(String, Vec<u8>)>,
}

/// The files of the commands of a run.
pub(crate) struct FleetFiles {
    config: FleetFilesConfig,
    /// The name of the run. The names of objects, and of directories that belong to one item, contain it.
    run: String,
    archiver: Archiver,
    /// The files that are the same for all items. Each of them is sent once. There is a cell for each entry of `config.sent`. The cell
    /// of an entry that depends on the item or the slot stays empty.
    common: Vec<OnceCell<Vec<SentFile>>>,
}

impl FleetFiles {
    pub(crate) fn new(config: FleetFilesConfig, run_name: String, groups: GroupTable) -> FleetFiles {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        FleetFiles {
            run: format!("{}-{}-{:08x}", std::process::id(), now.as_millis(), fastrand::u32(..)),
            common: config.sent.iter().map(|_| OnceCell::new()).collect(),
            archiver: Archiver::new(run_name, groups),
            config,
        }
    }

    /// Returns the directory in which the command of an item runs, and the environment variables that it gets from this machine.
    pub(super) fn place(&self, item: &Item) -> (Vec<u8>, &[(String, Vec<u8>)]) {
        let directory = match &self.config.directory {
            FleetDirectory::Shared(directory) | FleetDirectory::Made(directory) => directory.clone(),
            FleetDirectory::Own => format!(".cordial/tmp/{}-{}", self.run, item.index).into_bytes(),
        };
        (directory, &self.config.variables)
    }

    /// Sends the files of an item. Sends nothing and returns `None` if the directory is shared.
    ///
    /// # Errors
    ///
    /// When the placeholders in the name of a file cannot be replaced, the file does not exist or cannot be packed, its name cannot be
    /// removed after the command, or the server does not store it. Objects that were stored before the error stay on the server until they expire.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some objects stay on the server until they expire.
    pub(super) async fn send(
        &self,
        fleet: &Fleet,
        item: &Item,
        attempt: u32,
        slot: usize,
    ) -> Result<Option<CommandFiles>, ItemFailure> {
        let FleetFilesConfig { directory, sent, returned, is_cleaned, .. } = &self.config;
        if let FleetDirectory::Shared(_) = directory {
            return Ok(None);
        }
        let mut files = CommandFiles {
            sent: Vec::new(),
            common: Vec::new(),
            returned: fill(returned, item, slot)?.iter().map(|file| split_base(file).1.to_vec()).collect(),
            is_cleaned: *is_cleaned,
            has_own_directory: matches!(directory, FleetDirectory::Own),
        };
        let is_removed = files.is_cleaned && !files.has_own_directory;
        if is_removed {
            check_removable(files.returned.iter().map(Vec::as_slice))?;
        }
        for (number, (template, common)) in sent.iter().zip(&self.common).enumerate() {
            let names = fill(std::slice::from_ref(template), item, slot)?;
            if template.uses_item() || template.uses_slot() {
                if is_removed {
                    check_removable(names.iter().map(|file| split_base(file).1))?;
                }
                let object = format!("{}/{}-{attempt}-{number}", self.run, item.index);
                files.sent.extend(self.send_all(fleet, names, &object).await?);
            } else {
                let object = format!("{}/common-{number}", self.run);
                let sent = common.get_or_try_init(|| self.send_all(fleet, names, &object)).await?;
                files.common.extend(sent.iter().cloned());
            }
        }
        Ok(Some(files))
    }

    async fn send_all(&self, fleet: &Fleet, names: Vec<Vec<u8>>, object: &str) -> Result<Vec<SentFile>, ItemFailure> {
        let mut sent = Vec::new();
        for (number, file) in names.iter().enumerate() {
            if !path_of(file).exists() {
                return Err(ItemFailure::FileNotSent(path_of(file)));
            }
            let (base, name) = split_base(file);
            let object = format!("{object}-{number}");
            let packed = self.archiver.pack(&fleet.cluster, &object, &path_of(base), name).await;
            packed.map_err(|why| {
                ItemFailure::NoResult(format!("cannot send the file {}: {why}", path_of(file).display()))
            })?;
            sent.push(SentFile { name: name.to_vec(), object });
        }
        Ok(sent)
    }

    /// Fetches the files that a worker has sent back, and deletes their objects. The object of a file that cannot be unpacked stays on the
    /// server until it expires.
    ///
    /// # Errors
    ///
    /// When a file that was sent back cannot be unpacked, or the worker could not send back a file of a successful command.
    pub(super) async fn fetch(
        &self,
        fleet: &Fleet,
        item: &Item,
        slot: usize,
        reply: &CommandReply,
    ) -> Result<(), ItemFailure> {
        let mut failure = None;
        let files = fill(&self.config.returned, item, slot)?;
        for (file, returned) in files.iter().zip(&reply.returned) {
            let fetched = match returned {
                Ok(object) => {
                    let (base, name) = split_base(file);
                    let unpacked = self.archiver.unpack(&fleet.cluster, object, &path_of(base), name).await;
                    unpacked.map_err(|why| format!("cannot return the file {}: {why}", path_of(file).display()))
                }
                // It is no error if a failed command has not written its files.
                Err(_) if reply.ended != CommandEnd::Exited(0) => Ok(()),
                Err(why) => Err(why.clone()),
            };
            if let Err(why) = fetched {
                failure.get_or_insert(ItemFailure::NoResult(why));
            } else if let Ok(object) = returned {
                self.delete(fleet, object).await;
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Deletes the objects that were sent for one item.
    pub(super) async fn delete_sent(&self, fleet: &Fleet, files: &CommandFiles) {
        for file in &files.sent {
            self.delete(fleet, &file.object).await;
        }
    }

    /// Deletes the objects that were sent once for all items.
    pub(crate) async fn delete_common(&self, fleet: &Fleet) {
        for file in self.common.iter().filter_map(OnceCell::get).flatten() {
            self.delete(fleet, &file.object).await;
        }
    }

    async fn delete(&self, fleet: &Fleet, object: &str) {
        // An object that is not deleted stays on the server until it expires.
        let _ = timeout(DELETE_LIMIT, fleet.cluster.delete_object(object)).await;
    }
}
