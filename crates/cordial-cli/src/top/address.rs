//! The address of an observer, and the token that it asks for.

/// The address of an observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Host and port, as in the header `Host`.
    pub(super) authority: String,
    /// The path below which the observer is mounted; the paths of the endpoints follow it. Empty for an observer at the root.
    pub(super) prefix: String,
    pub(super) token: Option<String>,
}

impl Address {
    /// Reads an address as a program prints it, `http://127.0.0.1:4000/?token=…`, or the same without `http://`. `token` is used if
    /// the address has no token.
    ///
    /// # Errors
    ///
    /// A message that says what is wrong.
    pub(super) fn parse(text: &str, token: Option<String>) -> Result<Address, String> {
        let wrong = |why: &str| {
            format!(
                "{text}: {why}; give the address that the program has printed, such as http://127.0.0.1:4000/?token=..."
            )
        };
        if text.starts_with("https://") {
            return Err(wrong("https is not supported: connect through ssh -L or a local proxy"));
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let (rest, query) = match rest.find(['?', '#']) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if authority.starts_with(':') || !matches!(port, Some(Ok(_))) {
            return Err(wrong("it has no host and port"));
        }
        let path = path.trim_end_matches('/');
        let in_query = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
        Ok(Address {
            authority: authority.to_owned(),
            prefix: if path.is_empty() { String::new() } else { format!("/{path}") },
            token: in_query.map(decoded).into_iter().chain(token).find(|token| !token.is_empty()),
        })
    }
}

/// Decodes each `%` that two hexadecimal digits follow.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(ahead.next()), digit(ahead.next()))
        {
            decoded.push((high * 16 + low) as u8);
            bytes = ahead;
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Encodes a value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
