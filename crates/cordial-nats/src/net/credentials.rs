//! A `.creds` file: the token of a user, and the key that signs the challenge of the server.
//!
//! The file is read at each connect, even when the client connects again: a token may expire, and a program renews its file before.

use std::io;
use std::path::{Path, PathBuf};

use async_nats::{Auth, AuthError, ConnectOptions};
use nkeys::KeyPair;

/// Returns options that log in with a file.
pub(super) fn with_credentials_file(path: PathBuf) -> ConnectOptions {
    ConnectOptions::with_auth_callback(move |challenge| {
        let path = path.clone();
        async move { log_in(&path, &challenge).await.map_err(AuthError::new) }
    })
}

/// Reads a file, and returns the answer to a challenge. The error does not show the key.
pub(super) async fn log_in(path: &Path, challenge: &[u8]) -> io::Result<Auth> {
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

/// Returns the lines that follow the first two lines of dashes that begin something.
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
    use super::token_and_seed;

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
