use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::*;

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap()
}

fn next(incoming: &mut Incoming, socket: &OwnedFd) -> Frame {
    match incoming.receive(socket, RecvFlags::DONTWAIT).unwrap() {
        Received::Frame(frame) => frame,
        other => panic!("expected a frame, not {other:?}"),
    }
}

#[test]
fn frames_come_in_order_whatever_their_lengths() {
    let (ours, theirs) = pair();
    let lengths = [0, 1, CHUNK - HEADER, CHUNK - HEADER + 1, 3 * CHUNK, 2, 50_000, 0];
    let mut incoming = Incoming::new(1 << 20);
    for (call, length) in lengths.into_iter().enumerate() {
        let body = vec![u8::try_from(call).unwrap(); length];
        assert!(Outgoing::new(Kind::Done, call as u64, body).send(&ours, SendFlags::DONTWAIT).unwrap());
    }
    for (call, length) in lengths.into_iter().enumerate() {
        let frame = next(&mut incoming, &theirs);
        assert_eq!((frame.kind, frame.call, frame.body.len()), (Kind::Done, call as u64, length));
        assert!(frame.body.iter().all(|byte| usize::from(*byte) == call));
    }
    assert!(matches!(incoming.receive(&theirs, RecvFlags::DONTWAIT), Ok(Received::Blocked)));
    drop(ours);
    assert!(matches!(incoming.receive(&theirs, RecvFlags::DONTWAIT), Ok(Received::Closed)));
}

#[test]
fn a_frame_that_is_larger_than_the_socket_goes_in_parts() {
    let (ours, theirs) = pair();
    let preface = Preface { name: "hash".into(), fingerprint: 7, ..Preface::default() };
    let input: Vec<u8> = (0..5_000_000usize).map(|n| (n % 251) as u8).collect();
    let mut outgoing = Outgoing::call(9, input.clone(), &preface);
    let mut incoming = Incoming::new(8 << 20);
    let frame = loop {
        outgoing.send(&ours, SendFlags::DONTWAIT).unwrap();
        if let Received::Frame(frame) = incoming.receive(&theirs, RecvFlags::DONTWAIT).unwrap() {
            break frame;
        }
    };
    assert_eq!((frame.kind, frame.call), (Kind::Call, 9));
    assert_eq!(frame.into_call().unwrap(), (preface, input));
}

#[test]
fn a_length_is_checked_before_memory_is_allocated() {
    let (ours, theirs) = pair();
    let mut header = [0u8; HEADER];
    header[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    header[4] = Kind::Done as u8;
    rustix::io::write(&ours, &header).unwrap();
    let error = Incoming::new(1000).receive(&theirs, RecvFlags::DONTWAIT).unwrap_err();
    assert!(error.to_string().contains("4294967295 bytes"), "{error}");
}

#[test]
fn bytes_that_are_no_frames_are_errors() {
    let (ours, theirs) = pair();
    rustix::io::write(&ours, b"hello, this is not a frame").unwrap();
    assert!(Incoming::new(1000).receive(&theirs, RecvFlags::DONTWAIT).is_err());
    for body in [vec![], vec![1, 2, 3], vec![255; 4], vec![0; 4]] {
        assert!(Frame { kind: Kind::Call, call: 1, body }.into_call().is_none());
    }
}
