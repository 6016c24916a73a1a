//! The outputs that a process without a handle, and the root process of a program, may have.

use std::convert::Infallible;
use std::process::ExitCode;

use crate::exit::{Exit, IntoExit};

/// The output of a process without a handle: `()`, `!`, [`Infallible`], or a `Result` of one of these, whose error converts
/// into a boxed error. An `Err` ends the process with [`Exit::Error`], or, if the error is an [`Exit`], with that exit.
///
/// This trait is sealed: it cannot be implemented outside this crate.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let pid = Task::start(async { Err::<(), _>("no luck") });
///     assert_eq!(process::monitor(pid).await.to_string(), "no luck");
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "a process without a handle cannot output `{Self}`",
    label = "no code receives this output",
    note = "the output may be `()`, `!`, or a `Result` of one of these whose error is or converts into a boxed error",
    note = "end the future with `;` to drop its output, or use `spawn`, whose handle returns it"
)]
pub trait Outcome: sealed::Sealed {
    /// Returns `Ok` for a normal exit, or else the exit that this output stands for.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Exit>;
}

#[expect(unnameable_types, reason = "that is what seals the trait")]
mod sealed {
    /// Keeps other crates from implementing `Outcome`.
    pub trait Sealed {}

    /// Gives a name to `!`, which stable Rust does not accept as a type yet.
    pub trait Returns {
        type Output;
    }

    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}

type Never = <fn() -> ! as sealed::Returns>::Output;

impl sealed::Sealed for () {}
impl Outcome for () {
    fn into_result(self) -> Result<(), Exit> {
        Ok(())
    }
}

impl sealed::Sealed for Infallible {}
impl Outcome for Infallible {
    fn into_result(self) -> Result<(), Exit> {
        match self {}
    }
}

impl sealed::Sealed for Never {}
impl Outcome for Never {
    fn into_result(self) -> Result<(), Exit> {
        self
    }
}

impl<T: Outcome, E: IntoExit> sealed::Sealed for Result<T, E> {}
impl<T: Outcome, E: IntoExit> Outcome for Result<T, E> {
    fn into_result(self) -> Result<(), Exit> {
        self.map_err(|error| Exit::from(error.into_boxed())).and_then(T::into_result)
    }
}

/// The output of the root process of a program, see [`main`](crate::main): an [`Outcome`], an [`ExitCode`], or a `Result` of an
/// `ExitCode`. An `ExitCode` is the exit status of the program.
///
/// This trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`cordial::main` cannot make an exit status of `{Self}`",
    note = "the output may be `()`, `!`, an `ExitCode`, or a `Result` of one of these whose error is or converts into a boxed error"
)]
pub trait ProgramOutcome: sealed::Sealed {
    /// Returns the exit status, or else the exit that this output stands for.
    #[doc(hidden)]
    fn into_status(self) -> Result<ExitCode, Exit>;
}

impl<T: Outcome> ProgramOutcome for T {
    fn into_status(self) -> Result<ExitCode, Exit> {
        self.into_result().map(|()| ExitCode::SUCCESS)
    }
}

impl sealed::Sealed for ExitCode {}
impl ProgramOutcome for ExitCode {
    fn into_status(self) -> Result<ExitCode, Exit> {
        Ok(self)
    }
}

impl<E: IntoExit> sealed::Sealed for Result<ExitCode, E> {}
impl<E: IntoExit> ProgramOutcome for Result<ExitCode, E> {
    fn into_status(self) -> Result<ExitCode, Exit> {
        self.map_err(|error| Exit::from(error.into_boxed()))
    }
}
