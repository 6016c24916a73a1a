//! A `.creds` file: the token of a user, and the key that signs the challenge of the server.
//!
//! The file is read at each connect, even when the client connects again: a token may expire, and a program renews its file before.

use std::io;
use std::path::{Path, PathBuf};

use async_nats::{Auth, AuthError, ConnectOptions};
use nkeys::KeyPair;
use tracing::warn;

use crate::connect_error::{ConnectError, without_codes};
use crate::unwind::contain;

/// Returns options that log in with a file.
pub(super) fn with_credentials_file(path: PathBuf) -> ConnectOptions {
    ConnectOptions::with_auth_callback(move |challenge| {
        let path = path.clone();
        async move { log_in_to_client(&path, &challenge).await }
    })
}

/// Does what [`log_in`] does, for the client, which only logs the error and tries again.
async fn log_in_to_client(path: &Path, challenge: &[u8]) -> Result<Auth, AuthError> {
    log_in(path, challenge).await.map_err(|error| {
        contain(|| warn!(target: "cordial::fleet", %error, "credentials_unreadable"));
        AuthError::new(error)
    })
}

/// Reads a file, and returns the answer to a challenge. The error does not show the key.
pub(super) async fn log_in(path: &Path, challenge: &[u8]) -> Result<Auth, ConnectError> {
    answer(path, challenge).await.map_err(|error| ConnectError::File {
        path: path.display().to_string().into(),
        reason: without_codes(&error).into(),
    })
}

async fn answer(path: &Path, challenge: &[u8]) -> io::Result<Auth> {
    let text = tokio::fs::read_to_string(path).await?;
    let (token, seed) = token_and_seed(&text).ok_or_else(|| {
        invalid("it is not a .creds file, which has the token of a user and the seed of a key, each between two lines of dashes")
    })?;
    let key = KeyPair::from_seed(seed).map_err(|error| invalid(format!("the seed of its key is invalid: {error}")))?;
    let signature = key.sign(challenge).map_err(io::Error::other)?;
    let mut auth = Auth::new();
    auth.jwt = Some(token.to_owned());
    auth.signature = Some(signature);
    Ok(auth)
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Returns the first line that is not empty after each of the first two `-----BEGIN` lines.
fn token_and_seed(text: &str) -> Option<(&str, &str)> {
    let mut lines = text.lines().map(str::trim);
    let mut next = || {
        lines.find(|line| line.starts_with("---") && line.contains("BEGIN"))?;
        lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
    };
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::{log_in_to_client, token_and_seed};

    /// Keeps the fields of each event as text.
    #[derive(Clone, Default)]
    struct Events(Arc<Mutex<String>>);

    impl Visit for Events {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.lock().unwrap().push_str(&format!("{}={value:?} ", field.name()));
        }
    }

    impl Subscriber for Events {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "cordial::fleet"
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_file_that_the_client_cannot_read_is_named_in_an_event() {
        let events = Events::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let log_in = || runtime.block_on(log_in_to_client(Path::new("/nonexistent.creds"), b""));
        let error = tracing::subscriber::with_default(events.clone(), log_in).err().unwrap().to_string();
        let event = events.0.lock().unwrap();
        assert!(event.starts_with("message=credentials_unreadable error=the file \"/nonexistent.creds\""), "{event}");
        assert!(error.contains("/nonexistent.creds"), "{error}");
    }

    #[test]
    fn the_token_and_the_seed_are_found_with_each_line_end() {
        let lines = [
            "-----BEGIN NATS USER JWT-----",
            "eyJ0.e-_5.x",
            "------END NATS USER JWT------",
            "",
            "************************* IMPORTANT *************************",
            "NKEY Seed printed below can be used to sign and prove identity.",
            "",
            "-----BEGIN USER NKEY SEED-----",
            "SUAI",
            "------END USER NKEY SEED------",
        ];
        for end in ["\n", "\r\n"] {
            assert_eq!(token_and_seed(&lines.join(end)), Some(("eyJ0.e-_5.x", "SUAI")));
        }
        assert_eq!(token_and_seed(&lines[..4].join("\n")), None);
        assert_eq!(token_and_seed("-----BEGIN NATS USER JWT-----\n------END NATS USER JWT------\n"), None);
        assert_eq!(token_and_seed(""), None);
    }
}
