//! Which numbers are read from the `status` file of a thread.

use super::*;

fn numbers(status: &str) -> Option<(i32, i32)> {
    parse(status).map(|KernelId { id, in_proc }| (id.as_raw_nonzero().get(), in_proc.as_raw_nonzero().get()))
}

#[test]
fn a_call_names_a_thread_by_its_number_in_the_innermost_namespace() {
    let cases = [
        ("Name:\tx\nTgid:\t7\nPid:\t8\nPPid:\t1\nNStgid:\t7\nNSpid:\t8\n", Some((8, 8))),
        ("Name:\tx\nTgid:\t700\nPid:\t800\nPPid:\t1\nNStgid:\t700\t70\t1\nNSpid:\t800\t80\t2\n", Some((2, 800))),
        ("Name:\tPid:\nTgid:\t7\nPid:\t8\nPPid:\t1\n", Some((8, 8))),
        ("Name:\tx\nNSpid:\t8\n", None),
        ("", None),
    ];
    for (status, expected) in cases {
        assert_eq!(numbers(status), expected, "{status:?}");
    }
}

#[test]
fn threads_have_numbers_of_their_own() {
    let own = kernel_id().unwrap();
    let other = std::thread::scope(|scope| scope.spawn(|| kernel_id().unwrap()).join().unwrap());
    assert!(own.id != other.id && own.in_proc != other.in_proc, "{own:?}, {other:?}");
}
