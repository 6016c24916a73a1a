//! Makes the answers of the endpoints from what the collector has read.

mod alike;
mod dump;
mod filter;
mod groups;
mod long_polls;
mod metrics;
mod overview;
mod rows;
mod task_detail;
mod tasks;
mod tree;

pub(crate) use dump::dump;
pub(crate) use filter::{BadRequest, Pattern};
pub(crate) use groups::{streams, task_sets};
pub(crate) use long_polls::long_polls;
pub(crate) use metrics::metrics;
pub(crate) use overview::{Identity, overview, tick};
pub(crate) use task_detail::{NoDetail, shown_details, task_detail};
pub(crate) use tasks::{TaskQuery, connections, limit, servers, tasks};
pub(crate) use tree::{TreeQuery, tree};
