//! What a user implements: the state of a server, and how it handles each type of message.

use super::context::Context;
use super::reply::Reply;
use crate::exit::Exit;
use crate::pid::Pid;

/// The state of a server. One process owns it, and handles one message at a time.
///
/// Both methods have a default that does nothing, so `impl Server for Counter {}` is enough.
///
/// # Elixir
///
/// The module that a `GenServer` calls: `started` is `handle_continue` after `init`, `stopping` is `terminate`.
///
/// # Examples
///
/// ```
/// use cordial::server::{Context, Handle, Server, ServerRef};
///
/// #[derive(Default)]
/// struct Counter(u64);
///
/// struct Add(u64);
///
/// impl Server for Counter {}
///
/// impl Handle<Add> for Counter {
///     type Reply = u64;
///     async fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
///         self.0 += n;
///         self.0
///     }
/// }
///
/// cordial::testing::run(async {
///     let counter = ServerRef::start(Counter::default);
///     assert_eq!(counter.call(Add(2)).await, Ok(2));
///     assert_eq!(counter.call(Add(3)).await, Ok(5));
/// });
/// ```
pub trait Server: Sized + Send + 'static {
    /// Runs before the first message of each incarnation. If it returns `Err`, the server has failed to start. Until it returns, messages
    /// wait in the mailbox. [`ChildSpec::start_timeout`](crate::ChildSpec::start_timeout) limits how long it may take. To return the error of
    /// a library, such as the client of a database, write `.map_err(Exit::error)?`.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped before it is ready only if the process ends: because the process is killed, because it gets an exit signal that
    /// ends it and is not a request to shut down, or because it calls [`exit`](crate::exit()).
    fn started(&mut self, ctx: &mut Context<Self>) -> impl Future<Output = Result<(), Exit>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Runs after the last message, for at most the grace time of the server, even after a panic in a handler. `exit` is the exit with
    /// which the process is about to end. Does not run if the process is killed, if an exit signal such as that of a linked process ends
    /// it, if it calls [`exit`](crate::exit()), or if `started` has failed.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped before it is ready if the grace time is over, or if the process is killed or ended by an exit signal.
    fn stopping(&mut self, exit: &Exit) -> impl Future<Output = ()> + Send {
        let _ = exit;
        async {}
    }
}

/// How a server handles one type of message.
///
/// A message that is sent with [`call`](crate::server::ServerRef::call) is answered with the reply; the reply to a
/// [`cast`](crate::server::ServerRef::cast) is dropped. A panic in the handler ends the incarnation, and the call fails with the exit of the
/// incarnation.
///
/// # Elixir
///
/// One clause of `handle_call`, `handle_cast` or `handle_info`. The sender, and not the handler, chooses between a call and a cast.
#[diagnostic::on_unimplemented(
    message = "the server `{Self}` does not handle the message `{M}`",
    note = "implement `Handle<{M}>` for `{Self}`"
)]
pub trait Handle<M>: Server {
    /// The type of the answer to the message: [`Later`](crate::server::Later), if the server answers after the handler has returned.
    type Reply: Reply;

    /// Handles one message. Later messages wait until the future is ready.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`started`](Server::started).
    fn handle(&mut self, message: M, ctx: &mut Context<Self>) -> impl Future<Output = Self::Reply> + Send;
}

/// The message about a trapped exit, see [`Context::trap_exits`](crate::server::Context::trap_exits). The process with this pid was
/// linked to the server and has ended with this exit, or it has sent this exit to the server.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitOf(pub Pid, pub Exit);
