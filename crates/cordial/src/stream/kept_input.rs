//! The trait bound of inputs of which a stream keeps copies.

/// An input of which a stream keeps a copy, for [`retry`](crate::AsyncStream::retry) and for
/// [`zip_input_on_exit`](crate::AsyncStream::zip_input_on_exit): every type that is `Clone`.
///
/// This trait exists only for the message that rustc prints if a type is not `Clone`. The advice is in `message` and not in
/// `note`, because rustc prints a note of its own instead, which advises to borrow the stream.
#[diagnostic::on_unimplemented(
    message = "the input `{Self}` of this stream has to be `Clone`: derive it, or let the stream have an `Arc` of each input"
)]
#[expect(unnameable_types, reason = "users write `Clone`, which is the same bound")]
pub trait KeptInput: Clone {}

#[diagnostic::do_not_recommend]
impl<I: Clone> KeptInput for I {}
