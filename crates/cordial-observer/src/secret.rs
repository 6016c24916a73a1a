//! The token and what is derived from it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::ServeError;

/// How many bytes a token needs at least.
const MIN_LENGTH: usize = 16;

/// A token, never printed by `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Returns a random token of 256 bits.
    pub(crate) fn random() -> Result<Secret, ServeError> {
        Ok(Secret(random_text::<32>()?))
    }

    /// Checks a token that the program has given.
    pub(crate) fn given(token: String) -> Result<Secret, ServeError> {
        if token.len() < MIN_LENGTH {
            return Err(ServeError::WeakToken { length: token.len(), minimum: MIN_LENGTH });
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ServeError::InvalidToken);
        }
        Ok(Secret(token))
    }

    pub(crate) fn token(&self) -> &str {
        &self.0
    }

    /// Returns whether a client has sent the token. Takes the same time for every wrong token of the same length.
    pub(crate) fn is_token(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }

    /// Returns the value of the cookie. The value depends on the token only, so pages go on working after a restart of the program with the same
    /// token.
    pub(crate) fn cookie(&self) -> String {
        self.derived("cookie")
    }

    /// Returns the value that a page sends in a header with each action.
    pub(crate) fn csrf(&self) -> String {
        self.derived("csrf")
    }

    pub(crate) fn is_cookie(&self, sent: &str) -> bool {
        self.cookie().as_bytes().ct_eq(sent.as_bytes()).into()
    }

    pub(crate) fn is_csrf(&self, sent: &str) -> bool {
        self.csrf().as_bytes().ct_eq(sent.as_bytes()).into()
    }

    fn derived(&self, purpose: &str) -> String {
        let digest = Sha256::new().chain_update("cordial-observer ").chain_update(purpose).chain_update([0]);
        URL_SAFE_NO_PAD.encode(digest.chain_update(&self.0).finalize())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Returns `N` random bytes as text.
pub(crate) fn random_text<const N: usize>() -> Result<String, ServeError> {
    let mut bytes = [0; N];
    let refused = |error: getrandom::Error| ServeError::System { what: "random bytes", error: error.into() };
    getrandom::fill(&mut bytes).map_err(refused)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
