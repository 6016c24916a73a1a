//! Signals that change how many commands run at once.

/// A change of the number of commands that run at once, which a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there are no such signals"))]
pub(crate) enum LimitChange {
    /// SIGUSR1: one more command at once, as for `xargs`.
    More,
    /// SIGUSR2: one fewer.
    Fewer,
}
