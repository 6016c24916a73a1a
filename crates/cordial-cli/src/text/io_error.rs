//! The text of a system error, and what a person can do about it.

use std::io::{self, ErrorKind};

#[cfg(unix)]
use rustix::io::Errno;

/// Returns the text of an error, without the number that the standard library appends: "No such file or directory". If the error is a
/// limit of the system, the text also says how to raise it: "Too many open files; allow more open files (ulimit -n)".
pub(crate) fn describe(error: &io::Error) -> String {
    join(error, limit_advice(error))
}

/// Returns the text of an error, and what to do about it: how to raise the limit, if the error is a limit of the system, or else `otherwise`.
pub(crate) fn describe_or(error: &io::Error, otherwise: &str) -> String {
    join(error, limit_advice(error).or(Some(otherwise)))
}

/// Returns the text of an error alone, for a message with advice of its own.
pub(crate) fn text(error: &io::Error) -> String {
    without_number(&error.to_string())
}

fn join(error: &io::Error, advice: Option<&str>) -> String {
    match advice {
        // `system::check_room_for_thread` makes this error, and its text already says what to do.
        Some(_) if error.kind() == ErrorKind::OutOfMemory && error.raw_os_error().is_none() => text(error),
        Some(advice) => format!("{}; {advice}", text(error)),
        None => text(error),
    }
}

/// Returns how to raise the limit of the system that an error reports, or how to make room below it; `None` for another error.
pub(crate) fn limit_advice(error: &io::Error) -> Option<&'static str> {
    #[cfg(unix)]
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => return Some("allow more open files (ulimit -n)"),
        Some(Errno::NFILE) => return Some("no program on this machine can open a further file: end other programs"),
        _ => {}
    }
    match error.kind() {
        // The system refuses to start another thread or process. A read or a write is no reason for this error here: the program
        // waits and tries it again.
        ErrorKind::WouldBlock => {
            Some("end other programs, or allow more threads and processes (ulimit -u, or the limit of the container)")
        }
        ErrorKind::OutOfMemory => {
            Some("end other programs, or allow more memory (ulimit -v, or the limit of the container)")
        }
        ErrorKind::StorageFull => Some("free space on that disk, or use another"),
        ErrorKind::QuotaExceeded => Some("delete files of this user on that disk, or use another"),
        ErrorKind::FileTooLarge => Some("allow larger files (ulimit -f)"),
        _ => None,
    }
}

/// Returns the text of an error without the number of a system error, if the text contains one.
pub(crate) fn without_number(text: &str) -> String {
    match text.split_once(" (os error ") {
        Some((description, rest)) => {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            format!("{description}{after}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_number;

    #[test]
    fn the_number_of_a_system_error_is_left_out() {
        for (text, expected) in [
            ("Connection refused (os error 111)", "Connection refused"),
            ("error writing: Broken pipe (os error 32); again", "error writing: Broken pipe; again"),
            ("no number", "no number"),
        ] {
            assert_eq!(without_number(text), expected);
        }
    }
}
