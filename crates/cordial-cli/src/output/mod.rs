//! What commands write: captured until it is printed, or passed on line by line. `report` decides how it is printed.

mod budget;
mod capture;
mod lines;
mod print_queue;
mod std_stream;

pub(crate) use budget::{Budget, Charge};
pub(crate) use capture::Capture;
pub(crate) use lines::{LineBatch, LineChannel, LineWriter};
pub(crate) use print_queue::{HeldLines, PrintQueue};
pub(crate) use std_stream::StdStream;
