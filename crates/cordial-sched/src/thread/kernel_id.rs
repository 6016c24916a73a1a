//! Linux: the number of a thread in the kernel.

use rustix::process::Pid;

/// Returns the kernel's number of the calling thread; `None` where `/proc` is not mounted.
///
/// Read from `/proc`, because the part of `rustix` that asks the kernel takes each program that uses this library two seconds
/// of processor time to compile.
pub(crate) fn kernel_id() -> Option<Pid> {
    // `PROCESS/task/THREAD`.
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    Pid::from_raw(link.file_name()?.to_str()?.parse().ok()?)
}
