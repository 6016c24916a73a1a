//! Linux: the number of a thread in the kernel.

use rustix::process::Pid;

/// The kernel's numbers of a thread of this program.
///
/// There are two if this program is in a pid namespace of its own and `/proc` shows an outer one, as in a container that has the
/// `/proc` of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelId {
    /// The number for calls of the kernel, which count in the namespace of this program.
    pub(crate) id: Pid,
    /// The name of the thread's folder in `/proc/self/task`.
    pub(crate) in_proc: Pid,
}

/// Returns the numbers of the calling thread; `None` where `/proc` is not mounted, or does not show this program.
///
/// Reads them from `/proc`, because the part of `rustix` that asks the kernel would add two seconds of processor time to the build of
/// each program that uses this library.
pub(crate) fn kernel_id() -> Option<KernelId> {
    parse(&std::fs::read_to_string("/proc/thread-self/status").ok()?)
}

/// Reads the numbers from the `status` file of a thread.
fn parse(status: &str) -> Option<KernelId> {
    let number = |text: &str| Pid::from_raw(text.trim().parse().ok()?);
    let in_proc = status.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(number)?;
    // The number of the thread in each pid namespace, from that of `/proc` to the thread's own. A kernel without namespaces has no such
    // line.
    let in_all = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let id = match in_all {
        Some(numbers) => number(numbers.split_whitespace().next_back()?)?,
        None => in_proc,
    };
    Some(KernelId { id, in_proc })
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
