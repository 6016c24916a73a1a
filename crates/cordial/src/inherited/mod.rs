//! Context that crosses spawns: values that processes inherit, and deadlines.
//!
//! ```text
//!  TENANT.scope("acme", …) ─┬─ Task::spawn ─── Task::spawn          each of them sees "acme"
//!                           ├─ async_stream ── its items
//!                           └─ start_child ─── all its incarnations
//! ```
//!
//! The modules, in the order in which they build on each other:
//!
//! - `in_scope`: a future that is polled and dropped in a scope.
//! - `key`: `Inherited`, a key with a value in each scope.
//! - `within`: a deadline.

mod in_scope;
mod key;
mod within;

pub use key::{Inherited, Scoped};
pub use within::{Within, within};

pub(crate) use in_scope::InScope;
