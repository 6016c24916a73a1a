//! The errors that can become an exit.

use std::error::Error;

/// An error that can become an [`Exit`](crate::Exit): every type that converts into a boxed error, such as types that implement
/// [`Error`], text, and `anyhow::Error`.
///
/// The trait exists only so that the compiler prints a helpful message about a type that does not convert.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` cannot become an `Exit`",
    label = "`{Self}` does not convert into `Box<dyn Error + Send + Sync>`",
    note = "implement `std::error::Error` for it, or turn it into text or into another error with `map_err`"
)]
#[expect(
    unnameable_types,
    reason = "generic code does not name it: the bound `Into<Box<dyn Error + Send + Sync>>` implies it"
)]
pub trait IntoExit {
    #[doc(hidden)]
    fn into_boxed(self) -> Box<dyn Error + Send + Sync>;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> IntoExit for E {
    fn into_boxed(self) -> Box<dyn Error + Send + Sync> {
        self.into()
    }
}
