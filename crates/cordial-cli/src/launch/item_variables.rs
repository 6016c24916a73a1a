//! The environment variables that give a command the index of its item, its slot and its attempt.

use memchr::memmem;

use super::request::LaunchConfig;
use crate::item::Item;
use crate::system;

/// Returns whether a word of a command mentions a variable of GNU parallel.
pub(super) fn mentions_parallel_names(word: &[u8]) -> bool {
    memmem::find(word, b"PARALLEL_").is_some()
}

/// Returns whether a function that bash has exported mentions a variable of GNU parallel.
pub(crate) fn functions_mention_parallel_names() -> bool {
    system::exported_function_texts().iter().any(|text| mentions_parallel_names(text))
}

/// Returns the variables that the command of an item gets in addition to those of its placeholders. Those of GNU parallel are added only if
/// the command or an exported function mentions them, because each variable takes time when a command is started.
pub(super) fn item_variables<'a>(
    config: &'a LaunchConfig,
    item: &Item,
    attempt: u32,
    slot: usize,
    mentions_parallel_names: bool,
) -> Vec<(&'a str, String)> {
    let mut variables = vec![
        ("CORDIAL_INDEX", item.index.to_string()),
        ("CORDIAL_SLOT", slot.to_string()),
        ("CORDIAL_ATTEMPT", attempt.to_string()),
    ];
    if mentions_parallel_names || config.functions_mention_parallel_names {
        variables.push(("PARALLEL_SEQ", item.index.to_string()));
        variables.push(("PARALLEL_JOBSLOT", slot.to_string()));
    }
    if let Some(name) = &config.slot_variable {
        variables.push((name, (slot - 1).to_string()));
    }
    variables
}
