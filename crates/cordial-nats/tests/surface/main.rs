//! A program that uses every name of `cordial-isolate` and `cordial-nats` as a user would write it. It has to compile; it is not a test of behavior.

// Its lines are longer than rustfmt allows.
#[rustfmt::skip]
#[expect(clippy::single_match, reason = "as a user may have written it")]
mod contract;
