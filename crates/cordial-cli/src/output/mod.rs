//! What commands write: captured until printed, or passed on line by line.

pub(crate) mod capture;
mod lines;

pub(crate) use lines::{Lines, Live, LiveLines, Which};
