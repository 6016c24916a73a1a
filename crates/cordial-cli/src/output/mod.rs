//! What commands write: captured until it is printed, or passed on line by line. How it is printed is decided in
//! `report`.

mod budget;
mod capture;
mod lines;

pub(crate) use budget::{Budget, Charge};
pub(crate) use capture::Capture;
pub(crate) use lines::{LineBatch, LineChannel, LineWriter, StdStream};
