//! Files for jobs, in an object store of JetStream.
//!
//! An object store is a stream with two kinds of subjects, which all clients of NATS know: `$O.STORE.C.ID` for the pieces of
//! one version of an object, and `$O.STORE.M.NAME` for its description. So `nats object ls PREFIX-files` lists the objects.
//! Objects that are not deleted expire [as results do](crate::Options::keep_results).

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cluster::{Cluster, ClusterShared};
use crate::connect_error::ConnectError;
use crate::names::{Subjects, check_object};
use crate::net::{NetError, TRY_LIMIT, direct_get_next, publish_to_stream, request_api, with_tries};
use crate::streams::{find_message, n_messages, refused};
use crate::wire::MESSAGE_ID;

/// The size of a piece, unless the server accepts only smaller messages. Most accept 1 MiB.
const PIECE_BYTES: usize = 256 * 1024;

/// Room for the headers of a piece.
const HEADER_BYTES: usize = 1024;

/// The metadata of an object, in the format of all clients of NATS.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    name: String,
    bucket: String,
    nuid: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    chunks: u64,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    deleted: bool,
}

/// Writes an object, piece by piece. Returned by [`Cluster::create_object`]. An object exists after [`finish`](ObjectWriter::finish). What
/// was written of an object that is not finished expires.
#[derive(Debug)]
#[must_use = "an object exists after `finish`"]
pub struct ObjectWriter {
    cluster: Cluster,
    description: Description,
    digest: Digest,
    piece: Vec<u8>,
    piece_bytes: usize,
    state: WriterState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriterState {
    /// The server and `piece` together have all bytes that were written.
    Complete,
    /// A write runs, has failed, or was dropped: it is unknown which of its bytes the server has.
    Uncertain,
}

/// Reads an object, piece by piece. Returned by [`Cluster::open_object`].
#[derive(Debug)]
pub struct ObjectReader {
    cluster: Cluster,
    description: Description,
    digest: Digest,
    /// The sequence number of the last piece that was read.
    last: u64,
    n_read: u64,
    n_bytes: u64,
}

struct Digest(Sha256);

impl Digest {
    fn new() -> Digest {
        Digest(Sha256::new())
    }

    fn text(self) -> String {
        format!("SHA-256={}", URL_SAFE.encode(self.0.finalize()))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

impl Cluster {
    /// Begins an object of this name in the object store of the fleet, which other programs can read after it is finished. The
    /// name has 1 to 2000 bytes, of any characters. An object that has the name already is replaced when this one is finished.
    ///
    /// The store is the object store `PREFIX-files` of JetStream. Objects are kept as long as
    /// [results](crate::Options::keep_results), unless they are deleted before.
    ///
    /// # Errors
    ///
    /// If the store is not there and cannot be made, has other settings, or the server does not answer; or if the name is empty or too long.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use cordial_nats::Cluster;
    ///
    /// # async fn copy(cluster: Cluster) -> Result<(), cordial_nats::ConnectError> {
    /// let mut writer = cluster.create_object("pictures/7").await?;
    /// writer.write(b"the bytes of a picture").await?;
    /// writer.finish().await?;
    ///
    /// let mut bytes = Vec::new();
    /// if let Some(mut reader) = cluster.open_object("pictures/7").await? {
    ///     while let Some(piece) = reader.next().await? {
    ///         bytes.extend_from_slice(&piece);
    ///     }
    /// }
    /// cluster.delete_object("pictures/7").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn create_object(&self, name: &str) -> Result<ObjectWriter, ConnectError> {
        check_object(name)?;
        self.shared.ensure_files().await?;
        let description = Description {
            name: name.to_owned(),
            bucket: self.shared.subjects.files(),
            nuid: (0..22).map(|_| fastrand::alphanumeric()).collect(),
            size: 0,
            chunks: 0,
            digest: String::new(),
            deleted: false,
        };
        let piece_bytes = PIECE_BYTES.min(self.max_payload().saturating_sub(HEADER_BYTES)).max(1);
        let (cluster, digest, piece) = (self.clone(), Digest::new(), Vec::new());
        Ok(ObjectWriter { cluster, description, digest, piece, piece_bytes, state: WriterState::Complete })
    }

    /// Opens the object of this name; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the server does not answer within about a minute, after several tries; if the login has no permission; if the description of the
    /// object is damaged; or if the name is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn open_object(&self, name: &str) -> Result<Option<ObjectReader>, ConnectError> {
        check_object(name)?;
        let Some(stored) = look_up(&self.shared, name).await? else { return Ok(None) };
        let damage = |error: String| {
            let reason = format!(
                "its description is damaged: {error}; delete it with `delete_object`, or replace it with `create_object`"
            );
            refused(&format!("look the object {name:?} up"), NetError::Broken(reason.into()))
        };
        let description = stored.description.map_err(damage)?;
        Ok(Some(description).filter(|description| !description.deleted).map(|description| ObjectReader {
            cluster: self.clone(),
            description,
            digest: Digest::new(),
            last: 0,
            n_read: 0,
            n_bytes: 0,
        }))
    }

    /// Deletes the object of this name, if there is one. A version that another program finishes meanwhile stays.
    ///
    /// # Errors
    ///
    /// If the server does not answer within about a minute, after several tries; if the login has no permission; or if the name is empty or too
    /// long. A part of the object may be gone: call it again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the object may be there, be deleted, or lack a part. Another call deletes it.
    pub async fn delete_object(&self, name: &str) -> Result<(), ConnectError> {
        check_object(name)?;
        let shared = &*self.shared;
        let Some(stored) = look_up(shared, name).await? else { return Ok(()) };
        // The pieces first: if that fails, the description is still there, and another call finds the pieces.
        if let Some(nuid) = &stored.nuid {
            purge(shared, json!({ "filter": shared.subjects.object_pieces(nuid) }), name).await?;
        }
        // The server deletes the messages before this number.
        let description = json!({ "filter": shared.subjects.object_description(name), "seq": stored.number + 1 });
        purge(shared, description, name).await
    }
}

impl ObjectWriter {
    /// Writes the next bytes.
    ///
    /// # Errors
    ///
    /// If the server has not kept them within about a minute, after several tries; if the store is full or was deleted meanwhile; or if the
    /// login has no permission. A part of `bytes` may have been written, so each further call and `finish` return an error, too: begin
    /// the object again with [`Cluster::create_object`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the same holds as after an error.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ConnectError> {
        self.check_state()?;
        self.state = WriterState::Uncertain;
        self.keep_full_pieces(bytes).await?;
        self.state = WriterState::Complete;
        Ok(())
    }

    fn check_state(&self) -> Result<(), ConnectError> {
        match self.state {
            WriterState::Complete => Ok(()),
            WriterState::Uncertain => Err(refused(
                &format!("write the object {:?}", self.description.name),
                NetError::Broken(
                    "an earlier write of it failed or was dropped, and may have written a part of its bytes; begin the object again with \
                     `create_object`"
                        .into(),
                ),
            )),
        }
    }

    async fn keep_full_pieces(&mut self, mut bytes: &[u8]) -> Result<(), ConnectError> {
        while !bytes.is_empty() {
            let (fitting, rest) = bytes.split_at(bytes.len().min(self.piece_bytes - self.piece.len()));
            self.piece.extend_from_slice(fitting);
            bytes = rest;
            if self.piece.len() == self.piece_bytes {
                self.keep().await?;
            }
        }
        Ok(())
    }

    /// Writes the bytes that are still buffered, and makes the object visible to others. Its earlier version is removed.
    ///
    /// # Errors
    ///
    /// As [`write`](ObjectWriter::write). If only the removal of the earlier version has failed, the object is there, and the pieces of the
    /// earlier version expire.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the object may or may not exist.
    pub async fn finish(mut self) -> Result<(), ConnectError> {
        self.check_state()?;
        if !self.piece.is_empty() {
            self.keep().await?;
        }
        let ObjectWriter { cluster, mut description, digest, .. } = self;
        let shared = &*cluster.shared;
        description.digest = digest.text();
        let before = look_up(shared, &description.name).await?;
        let text = serde_json::to_vec(&description).unwrap_or_default();
        let mut headers = HeaderMap::new();
        // JetStream: this message replaces those before it on its subject.
        headers.insert("Nats-Rollup", "sub");
        let subject = shared.subjects.object_description(&description.name);
        publish(shared, &subject, headers, text.into(), &description.name, description.chunks == 0).await?;
        match before.and_then(|before| before.nuid) {
            Some(nuid) => {
                purge(shared, json!({ "filter": shared.subjects.object_pieces(&nuid) }), &description.name).await
            }
            None => Ok(()),
        }
    }

    async fn keep(&mut self) -> Result<(), ConnectError> {
        let shared = &*self.cluster.shared;
        let Description { nuid, chunks, name, .. } = &self.description;
        // A piece that is sent again, because its answer was lost, is kept once.
        let mut headers = HeaderMap::new();
        headers.insert(MESSAGE_ID, &*format!("{nuid}-{chunks}"));
        let subject = shared.subjects.object_pieces(nuid);
        publish(shared, &subject, headers, Bytes::copy_from_slice(&self.piece), name, *chunks == 0).await?;
        self.digest.0.update(&self.piece);
        self.description.chunks += 1;
        self.description.size += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}

impl ObjectReader {
    /// Returns the size of the object in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.description.size
    }

    /// Returns the next piece; after the last one, `None`, or an error if the object is damaged.
    ///
    /// # Errors
    ///
    /// If the server has not answered within about a minute, after several tries, or a part of the object is gone or damaged.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ConnectError> {
        let shared = &*self.cluster.shared;
        let Description { nuid, chunks, name, size, digest, .. } = &self.description;
        if self.n_read == *chunks {
            let found = std::mem::replace(&mut self.digest, Digest::new()).text();
            self.n_read += 1;
            return match self.n_bytes == *size && (digest.is_empty() || *digest == found) {
                true => Ok(None),
                false => Err(damaged(name)),
            };
        }
        if self.n_read > *chunks {
            return Ok(None);
        }
        let (stream, subject) = (shared.subjects.files_stream(), shared.subjects.object_pieces(nuid));
        let get = || async {
            let found = direct_get_next(&shared.connection, &stream, &subject, self.last + 1).await?;
            // Has another replica of the stream the piece?
            if found.is_none() && n_messages(&shared.connection, &stream, &subject).await? > self.n_read {
                return Err(NetError::Silent);
            }
            Ok(found)
        };
        let found = with_tries(get).await.map_err(|error| refused(&format!("read the object {name:?}"), error))?;
        let (number, piece) = found.ok_or_else(|| damaged(name))?;
        self.last = number;
        self.n_read += 1;
        self.n_bytes += piece.payload.len() as u64;
        self.digest.0.update(&piece.payload);
        Ok(Some(piece.payload))
    }
}

fn damaged(name: &str) -> ConnectError {
    refused(&format!("read the object {name:?}"), NetError::Broken("a part of it is gone or damaged".into()))
}

/// What the store keeps under the name of an object.
struct StoredDescription {
    /// Its sequence number in the stream.
    number: u64,
    /// The id of the pieces, unless the description is damaged so much that it cannot be found there.
    nuid: Option<String>,
    /// Or what is wrong with it.
    description: Result<Description, String>,
}

impl StoredDescription {
    fn read(number: u64, payload: &[u8]) -> StoredDescription {
        let nuid = serde_json::from_slice::<Value>(payload).ok();
        let nuid = nuid.and_then(|value| value["nuid"].as_str().map(str::to_owned));
        // The id is a part of a subject. With a wildcard, it would be that of other objects, too.
        let nuid =
            nuid.filter(|id| !id.is_empty() && !id.contains(['.', '*', '>']) && !id.contains(char::is_whitespace));
        let description = match serde_json::from_slice(payload) {
            Ok(_) if nuid.is_none() => Err("the id of its pieces is invalid".to_owned()),
            description => description.map_err(|error| error.to_string()),
        };
        StoredDescription { number, nuid, description }
    }
}

/// Looks the description of an object up.
async fn look_up(shared: &ClusterShared, name: &str) -> Result<Option<StoredDescription>, ConnectError> {
    let ClusterShared { connection, subjects, .. } = shared;
    let (stream, subject) = (subjects.files_stream(), subjects.object_description(name));
    let failed = |error| refused(&format!("look the object {name:?} up"), error);
    // If there is no store, there is no object, and a direct get gets no answer.
    if !with_tries(|| shared.has_files()).await.map_err(failed)? {
        return Ok(None);
    }
    let get = || async {
        match find_message(connection, &stream, &subject, TRY_LIMIT).await {
            // Has the store been deleted since it was seen?
            Err(error @ (NetError::Silent | NetError::NoResponders)) if connection.is_connected() => {
                shared.forget_streams();
                if shared.has_files().await? { Err(error) } else { Ok(None) }
            }
            Ok(Some(message)) => Ok(Some(StoredDescription::read(message.number()?, &message.payload))),
            found => found.map(|_| None),
        }
    };
    with_tries(get).await.map_err(failed)
}

/// `is_first` is whether no piece of the object was stored before. Otherwise a deleted store is not made again, because the object would lack
/// its earlier pieces.
async fn publish(
    shared: &ClusterShared,
    subject: &str,
    headers: HeaderMap,
    payload: Bytes,
    name: &str,
    is_first: bool,
) -> Result<(), ConnectError> {
    let send = || async {
        let sent = publish_to_stream(&shared.connection, subject, headers.clone(), payload.clone(), TRY_LIMIT).await;
        if let Err(NetError::NoResponders) = sent
            && is_first
        {
            // The store was deleted, or its servers have no leader. The next try shows whether it is there now.
            shared.forget_streams();
            let _ = shared.ensure_files().await;
        }
        sent
    };
    with_tries(send).await.map(drop).map_err(|error| refused(&format!("write the object {name:?}"), error))
}

async fn purge(shared: &ClusterShared, what: Value, name: &str) -> Result<(), ConnectError> {
    let request = format!("STREAM.PURGE.{}", shared.subjects.files_stream());
    let send = || request_api(&shared.connection, &request, &what);
    with_tries(send).await.map(drop).map_err(|error| refused(&format!("delete the object {name:?}"), error))
}

/// The subjects and the stream of the object store.
impl Subjects {
    fn files(&self) -> String {
        format!("{}-files", self.prefix())
    }

    pub(crate) fn files_stream(&self) -> String {
        format!("OBJ_{}", self.files())
    }

    pub(crate) fn all_objects(&self) -> [String; 2] {
        ["C", "M"].map(|kind| format!("$O.{}.{kind}.>", self.files()))
    }

    fn object_pieces(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.files())
    }

    fn object_description(&self, name: &str) -> String {
        format!("$O.{}.M.{}", self.files(), URL_SAFE.encode(name))
    }
}
