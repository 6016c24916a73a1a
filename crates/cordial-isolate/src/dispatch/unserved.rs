//! Why a worker does not run a call.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::function::Signature;

/// Why a worker does not run a call: it has no function of this name, or one of another version or of other types.
///
/// It travels back to the caller, which adds its own signature with [`seen_from`](Unserved::seen_from).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unserved {
    reason: UnservedReason,
    /// The signature that the caller has declared.
    caller: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum UnservedReason {
    /// There is no function of this name; the worker has these.
    Unknown { name: String, known: Vec<String> },
    /// The worker has this signature.
    Differs { worker: String },
}

/// The most names in an error, and the most bytes of them together: all names of a large table would not fit into a frame.
const MAX_NAMES: usize = 50;
const MAX_BYTES: usize = 4000;

impl Unserved {
    pub(crate) fn unknown(name: &str, mut known: Vec<String>) -> Unserved {
        let mut n_bytes = 0;
        let fits = |name: &&String| {
            n_bytes += name.len();
            n_bytes <= MAX_BYTES
        };
        let n_shown = known.iter().take(MAX_NAMES).take_while(fits).count();
        let n_more = known.len() - n_shown;
        if n_more > 0 {
            known.truncate(n_shown);
            known.push(format!("{}{n_more} more", if n_shown == 0 { "" } else { "and " }));
        }
        let name = name.chars().take(MAX_BYTES).collect();
        Unserved { reason: UnservedReason::Unknown { name, known }, caller: None }
    }

    pub(crate) fn differs(worker: Signature) -> Unserved {
        Unserved { reason: UnservedReason::Differs { worker: worker.to_string() }, caller: None }
    }

    /// Adds the signature that the caller has declared.
    #[must_use]
    pub fn seen_from(self, caller: Signature) -> Unserved {
        // If the function has failed with the error of a call that it made itself, the error already has the signature of that call.
        let declared = self.caller.unwrap_or_else(|| caller.to_string());
        Unserved { caller: Some(declared), ..self }
    }
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            UnservedReason::Unknown { name, known } if known.is_empty() => write!(
                f,
                "the worker has no function {name:?}, because its table is empty; add the function to the `Functions` that the worker gets"
            ),
            UnservedReason::Unknown { name, known } => write!(
                f,
                "the worker has no function {name:?}; add it to the `Functions` that the worker gets, which has: {}",
                known.join(", ")
            ),
            UnservedReason::Differs { worker } => {
                let caller = self.caller.as_deref().unwrap_or("another one");
                write!(
                    f,
                    "the signatures of a function differ: the caller has {caller}; the worker has {worker}; build both programs from the same source, or give the changed function another name"
                )
            }
        }
    }
}

impl std::error::Error for Unserved {}

#[cfg(test)]
mod tests {
    use super::Unserved;
    use crate::function::Function;

    #[test]
    fn an_error_of_a_call_that_a_function_has_made_keeps_the_signature_of_that_call() {
        const OUTER: Function<u64, u64> = Function::new("outer");
        const INNER: Function<u64, u64> = Function::new("inner");
        let worker = INNER.version(2).signature();
        let text = Unserved::differs(worker).seen_from(INNER.signature()).seen_from(OUTER.signature()).to_string();
        assert!(text.contains("the caller has \"inner\" version 1") && !text.contains("outer"), "{text}");
    }

    #[test]
    fn an_error_has_some_of_the_names_of_a_large_table() {
        let names = |n: usize| (0..n).map(|number| format!("function-{number}")).collect();
        let text = Unserved::unknown("square", names(100_000)).to_string();
        assert!(text.ends_with("function-49, and 99950 more") && text.len() < 2000, "{text}");
        assert!(Unserved::unknown("square", names(50)).to_string().ends_with("function-49"));
        let long = Unserved::unknown(&"s".repeat(60_000), vec!["n".repeat(5000), "cube".to_owned()]).to_string();
        assert!(long.ends_with("which has: 2 more") && long.len() < 5000, "{} bytes", long.len());
    }
}
