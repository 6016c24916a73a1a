//! Linux: limits of the program, of its user, of its control groups, and of the system.
//!
//! A refusal does not say which limit was the reason. So the limits are compared with what is in use,
//! from that of the program to that of the system. Nothing counts the threads of a user, so the limit
//! of the user is named when no other limit is reached, unless it cannot have been the reason.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Resource, getrlimit, getuid};

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

/// glibc maps an allocation of this size, unless the program has already freed a larger one.
const LEAST_MAPPED: u64 = 1 << 20;

/// The kernel hands out the numbers below this once, and never again.
const RESERVED_IDS: u64 = 300;

/// The capabilities that lift the limit of the user: `CAP_SYS_ADMIN` and `CAP_SYS_RESOURCE`.
const CAPABILITIES: u64 = 1 << 21 | 1 << 24;

pub(super) fn reached_limit() -> Option<ThreadLimit> {
    address_space().or_else(mappings).or_else(control_group).or_else(whole_system).or_else(process_ids).or_else(user)
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

/// Returns memory that leaves the address space too little room for the heap of one more thread, if the heaps that fit into it would leave
/// too little for this many threads. A thread that starts without a heap maps memory for each of its allocations until there is room.
pub(super) fn fill_room_for_heap(n_threads: usize) -> Vec<u8> {
    let mut memory = Vec::new();
    let left = getrlimit(Resource::As).current.and_then(|max| max.checked_sub(address_space_in_use()?));
    let needed = BYTES_OF_THREAD.saturating_mul(n_threads as u64).saturating_add(BYTES_OF_START);
    let Some(left) = left.filter(|_| needed < BYTES_OF_HEAP) else { return memory };
    // Less than a heap, so that the stacks that are mapped before the heaps do not have to be known.
    let beside_heaps = left % BYTES_OF_HEAP;
    if (1..=n_threads as u64).contains(&(left / BYTES_OF_HEAP)) && beside_heaps < needed {
        // If it fails, there is no room for that many heaps either.
        let _ = memory.try_reserve_exact((beside_heaps + 1).max(LEAST_MAPPED) as usize);
    }
    memory
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
    let size = own_status("VmSize:")?;
    size.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes.saturating_mul(1024))
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
        let max = number_in(folder.join("pids.max"))?;
        (number_in(folder.join("pids.current"))? >= max)
            .then(|| ThreadLimit::ControlGroup { max, group: group.display().to_string() })
    })
}

fn whole_system() -> Option<ThreadLimit> {
    let max = number_in("/proc/sys/kernel/threads-max")?;
    (n_existing()? >= max).then_some(ThreadLimit::System { max })
}

fn process_ids() -> Option<ThreadLimit> {
    let max = number_in("/proc/sys/kernel/pid_max")?;
    // Process groups and sessions without processes hold numbers too, but few.
    let is_reached = |n: u64| n.saturating_add(RESERVED_IDS).saturating_add(max / 64) >= max;
    // The first count is quick, but it is that of the system: a PID namespace may have a limit of its own.
    (is_reached(n_existing()?) && is_reached(n_of_namespace()?)).then_some(ThreadLimit::ProcessIds { max })
}

fn mappings() -> Option<ThreadLimit> {
    let max = number_in("/proc/sys/vm/max_map_count")?;
    // Line by line, because nothing large can be allocated now. A thread needs a mapping for its stack, and one for the guard page.
    let lines = BufReader::new(File::open("/proc/self/maps").ok()?).split(b'\n');
    // The iterator returns an error of the system again and again.
    let n_mappings = lines.map_while(Result::ok).count() as u64;
    (n_mappings.saturating_add(2) >= max).then_some(ThreadLimit::Mappings { max })
}

fn user() -> Option<ThreadLimit> {
    let max = getrlimit(Resource::Nproc).current.filter(|_| !is_exempt_from_limit_of_user())?;
    // A user has no more threads than the system.
    n_existing().is_none_or(|existing| existing >= max).then_some(ThreadLimit::User { max })
}

/// Returns whether the limit of the user does not hold for this program: it is run by the superuser, or has a capability that
/// lifts the limit. In a user namespace neither counts.
fn is_exempt_from_limit_of_user() -> bool {
    let of_all = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    if !fs::read_to_string("/proc/self/uid_map").map_or(true, of_all) {
        return false;
    }
    let capabilities = own_status("CapEff:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    getuid().is_root() || capabilities.is_some_and(|mask| mask & CAPABILITIES != 0)
}

/// Returns how many threads exist in the whole system.
fn n_existing() -> Option<u64> {
    // The fourth field: how many threads run, and how many exist.
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
}

/// Returns how many threads exist in the PID namespace of this program, as far as it may see them.
fn n_of_namespace() -> Option<u64> {
    let entries = fs::read_dir("/proc").ok()?.flatten();
    // `/proc/self` is a link, and would count the threads of this program twice.
    let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    // The folder has two links of its own, and one for each thread. Entries that are not processes have no such folder.
    Some(
        entries.filter_map(|entry| Some(fs::metadata(entry.path().join("task")).ok()?.nlink().saturating_sub(2))).sum(),
    )
}

/// Returns the number in a file. `None` if there is no such file, or something else in it.
fn number_in(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Returns a field of `/proc/self/status`.
fn own_status(field: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(field))?.trim().to_owned())
}
