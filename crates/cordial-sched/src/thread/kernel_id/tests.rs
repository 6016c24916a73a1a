//! Which numbers are read from the `status` file of a thread.

use super::*;

fn numbers(id: i32, in_proc: i32) -> Option<KernelId> {
    Some(KernelId { id: Pid::from_raw(id)?, in_proc: Pid::from_raw(in_proc)? })
}

#[test]
fn a_call_names_a_thread_by_its_number_in_the_innermost_namespace() {
    let cases = [
        ("Name:\tx\nTgid:\t7\nPid:\t8\nPPid:\t1\nNStgid:\t7\nNSpid:\t8\n", numbers(8, 8)),
        ("Name:\tx\nTgid:\t700\nPid:\t800\nPPid:\t1\nNStgid:\t700\t70\t1\nNSpid:\t800\t80\t2\n", numbers(2, 800)),
        ("Name:\tPid:\nTgid:\t7\nPid:\t8\nPPid:\t1\n", numbers(8, 8)),
        ("Name:\tx\nNSpid:\t8\n", None),
        ("", None),
    ];
    for (status, expected) in cases {
        assert_eq!(parse(status), expected, "{status:?}");
    }
}

#[test]
fn threads_have_numbers_of_their_own() {
    let own = kernel_id().unwrap();
    let other = std::thread::scope(|scope| scope.spawn(|| kernel_id().unwrap()).join().unwrap());
    assert!(own.id != other.id && own.in_proc != other.in_proc, "{own:?}, {other:?}");
}
