//! Linux: limits of the program, of its user, of its control groups, and of the system.
//!
//! A refusal does not say which limit was the reason. So the limits are compared with what is in use,
//! from that of the program to that of the system. Nothing counts the threads of a user, so the limit
//! of the user, if there is one, is named when no other limit is reached.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, geteuid, getrlimit};

use super::ThreadLimit;

/// The address space of one more thread: a stack of 2 MiB, its guard page, and what the C library
/// adds.
const BYTES_OF_THREAD: u64 = 3 << 20;

/// The address space that is left to the program when the threads of an executor start: for allocations, and for a thread
/// or two of its own. The first allocation of each new thread is the stack for signal handlers, which the standard library
/// maps: the program aborts if there is no room for it.
const BYTES_OF_START: u64 = 8 << 20;

/// The address space that glibc takes for the heap of a thread.
const BYTES_OF_HEAP: u64 = 64 << 20;

/// An allocation that does not fit into the heap of a thread gets address space of its own.
const BYTES_OF_MAPPING: u64 = BYTES_OF_HEAP + 1;

/// The controller and the mount point of each hierarchy of control groups that counts threads: of version 2, where
/// `/proc/self/cgroup` names no controller, and of version 1.
const MOUNTS: [(&str, &str); 3] =
    [("", "/sys/fs/cgroup"), ("", "/sys/fs/cgroup/unified"), ("pids", "/sys/fs/cgroup/pids")];

pub(super) fn reached_limit() -> Option<ThreadLimit> {
    address_space().or_else(control_group).or_else(whole_system).or_else(user)
}

/// Returns the limit of the address space, if there is one.
pub(super) fn limit_of_address_space() -> Option<ThreadLimit> {
    getrlimit(Resource::As).current.map(|max_bytes| ThreadLimit::AddressSpace { max_bytes })
}

fn address_space() -> Option<ThreadLimit> {
    let max_bytes = getrlimit(Resource::As).current?;
    (!has_room_within(max_bytes, BYTES_OF_THREAD + BYTES_OF_START)).then_some(ThreadLimit::AddressSpace { max_bytes })
}

/// Returns whether the address space has room for one more thread of an executor that starts.
pub(super) fn has_room_for_first_threads() -> bool {
    getrlimit(Resource::As).current.is_none_or(|max| has_room_within(max, BYTES_OF_THREAD + BYTES_OF_START))
}

/// Returns whether one more thread leaves an eighth of the address space free. Heaps that may not be in use yet are counted: that of the
/// thread, those of the threads that are starting, and that of the thread that calls hooks, which starts after the first long poll.
pub(super) fn has_room_for_stand_in(n_starting: usize) -> bool {
    let heaps = BYTES_OF_HEAP.saturating_mul(n_starting as u64 + 2);
    let room = |max: u64| has_room_within(max, BYTES_OF_THREAD.saturating_add(heaps).saturating_add(max / 8));
    getrlimit(Resource::As).current.is_none_or(room)
}

/// Returns whether this many bytes of address space are left.
fn has_room_within(max_bytes: u64, bytes: u64) -> bool {
    match address_space_in_use() {
        Some(used) => used.saturating_add(bytes) <= max_bytes,
        // Without `/proc`, this many bytes, but at least `BYTES_OF_MAPPING`, are allocated and freed again.
        None => usize::try_from(bytes.max(BYTES_OF_MAPPING))
            .is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok()),
    }
}

/// Returns the bytes of address space that this program uses.
fn address_space_in_use() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?.trim().strip_suffix("kB")?;
    kilobytes.trim().parse::<u64>().ok().map(|kilobytes| kilobytes.saturating_mul(1024))
}

/// Returns the innermost control group of this program that is full, of the first hierarchy that has one.
fn control_group() -> Option<ThreadLimit> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    // Each line is `number:controllers:path`. Version 2 has one line, without controllers.
    let full = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let mounts = MOUNTS.iter().filter(|(of, _)| controllers.split(',').any(|controller| controller == *of));
        mounts.filter_map(|(_, mount)| full_group(Path::new(mount), group)).next()
    };
    groups.lines().find_map(full)
}

/// Returns the first full group on the way from a group to the root of its hierarchy.
fn full_group(mount: &Path, group: &str) -> Option<ThreadLimit> {
    Path::new(group).ancestors().find_map(|group| {
        let folder = mount.join(group.strip_prefix("/").unwrap_or(group));
        // Instead of a number, the file may say `max`: there is no limit.
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let max = read("pids.max")?;
        (read("pids.current")? >= max).then(|| ThreadLimit::ControlGroup { max, group: group.display().to_string() })
    })
}

fn whole_system() -> Option<ThreadLimit> {
    let max = fs::read_to_string("/proc/sys/kernel/threads-max").ok()?.trim().parse().ok()?;
    // The fourth field: how many threads run, and how many exist.
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    let existing: u64 = load.split(' ').nth(3)?.split_once('/')?.1.parse().ok()?;
    (existing >= max).then_some(ThreadLimit::System { max })
}

fn user() -> Option<ThreadLimit> {
    // The limit does not hold for the superuser.
    let max = getrlimit(Resource::Nproc).current.filter(|_| !geteuid().is_root())?;
    Some(ThreadLimit::User { max })
}
