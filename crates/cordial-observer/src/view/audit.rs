//! The log of actions and of refused requests.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/audit`, newest first: an action, or requests that were refused before it was known what they ask for. The most
/// recent 1000 actions and 200 entries of refusals are kept. Refusals of one client and one kind share an entry, which has their number.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The number of the entry, from 1.
    pub n: u64,
    /// When the action was asked for. In an entry of several refusals: when the last one happened.
    pub at_ms: u64,
    /// Who asked: the address of the client, after the name that the authorizer returned, if any: `operator (127.0.0.1)`.
    pub who: String,
    /// What was asked for: the name of an [`ActionKind`](super::ActionKind); `session` for a wrong token; `request` for a request
    /// that breaks another rule, such as one of a foreign site.
    pub action: String,
    /// The process.
    pub pid: Option<String>,
    /// The label of the process at that moment.
    pub label: Option<String>,
    /// Whether the server allowed the request.
    pub allowed: bool,
    /// The result, as a sentence.
    pub result: String,
}
