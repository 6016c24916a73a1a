//! How records name an item: on one line, and readable.
//!
//! Each value is quoted for a shell, so that the text of an item has neither a tab nor a newline, and different items have
//! different texts. There is one exception: the text of a value that is too long for an argument has only the start of the value
//! and its length. Two such values may have the same text; the items of both fail.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::item::{Item, Value};
use crate::text::shell_quote;

/// A hash of the text of an item, kept instead of the text to save memory. Two items with the same key count as the same item.
/// The key has 128 bits, so a collision is improbable even among billions of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ItemKey(u64, u64);

/// Returns the text of an item.
pub(super) fn item_text(item: &Item) -> Vec<u8> {
    let texts = item.values.iter().map(|value| match value {
        Value::Whole(bytes) => shell_quote::quote(bytes).into_owned(),
        // The dots and the length are outside the quotes. A whole value has the same text only if it consists of exactly these
        // characters.
        Value::TooLong { start, length } => {
            [&shell_quote::quote(start)[..], format!("...{length}").as_bytes()].concat()
        }
    });
    texts.collect::<Vec<_>>().join(&b' ')
}

impl ItemKey {
    pub(super) fn new(text: &[u8]) -> ItemKey {
        ItemKey(hash(0, text), hash(1, text))
    }
}

/// Returns a hash of these bytes. Each seed selects a different hash function.
pub(super) fn hash(seed: u8, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, bytes).hash(&mut hasher);
    hasher.finish()
}
