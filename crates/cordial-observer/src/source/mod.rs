//! Reading the program: what the inspector of its runtime shows, and what the operating system knows.

mod exits;
mod own_process;
mod places;
mod polls;
mod row;
mod scan;
mod texts;

pub(crate) use exits::{backtrace_of, chain_of, kind_of, place_of};
pub(crate) use own_process::{OwnProcess, Usage};
pub(crate) use places::{PlaceId, Places};
pub(crate) use polls::PollInProgress;
pub(crate) use row::{Above, Row};
pub(crate) use scan::Scan;
pub(crate) use texts::{bounded_label, cut, name_in_sentence, shortened, shown_label, visible};
