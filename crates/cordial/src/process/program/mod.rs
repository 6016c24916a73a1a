//! Running a program: the public [`Runtime`], the root process, and the signals of the operating system.

mod os_signals;
mod root;
mod runtime;

pub use root::{main, run};
pub use runtime::Runtime;
