//! The inputs that a stream can keep a copy of.

/// An input of which a stream keeps a copy, for [`retry`](crate::AsyncStream::retry) and for
/// [`zip_input_on_exit`](crate::AsyncStream::zip_input_on_exit): every type that is `Clone`.
///
/// A trait of its own only for the sake of the compiler's message where a type is not `Clone`. The message itself says what to
/// do, because rustc prints its own advice, to borrow the stream, instead of a note.
#[diagnostic::on_unimplemented(
    message = "the input `{Self}` of this stream has to be `Clone`: derive it, or let the stream have an `Arc` of each input"
)]
#[expect(unnameable_types, reason = "the bound is that of `Clone`")]
pub trait KeptInput: Clone {}

#[diagnostic::do_not_recommend]
impl<I: Clone> KeptInput for I {}
