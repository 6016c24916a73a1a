//! Repeats a request while no server answers, or the servers have no leader. Any other error is returned.

use std::time::Duration;

use cordial_nats::{ConnectError, SubmitError};
use tokio::time::sleep;

/// The pause before a request is repeated. Needed because a request that no server takes returns an error immediately.
const PAUSE: Duration = Duration::from_millis(250);

/// An error that may mean that no server has answered, or that the servers have no leader.
pub(crate) trait MayBeSilence {
    fn is_silence(&self) -> bool;
}

impl MayBeSilence for ConnectError {
    fn is_silence(&self) -> bool {
        matches!(self, ConnectError::Silent { .. } | ConnectError::NoLeader { .. })
    }
}

impl MayBeSilence for SubmitError {
    fn is_silence(&self) -> bool {
        matches!(self, SubmitError::Fleet(error) if error.is_silence())
    }
}

/// Repeats a request until a server has answered. Dropping the future ends the repetition.
pub(crate) async fn until_answered<T, E: MayBeSilence, F>(mut request: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        match request().await {
            Err(error) if error.is_silence() => sleep(PAUSE).await,
            answered => return answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn silence_is_waited_out_and_a_refusal_is_not() {
        let what = || Arc::from("read an object");
        let mut errors = vec![
            ConnectError::Refused { what: what(), reason: "no permission".into() },
            ConnectError::NoLeader { what: what() },
            ConnectError::Silent { what: what() },
        ];
        let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
        let answer = runtime
            .block_on(async move { until_answered(|| std::future::ready(errors.pop().map_or(Ok(()), Err))).await });
        assert!(matches!(answer.unwrap(), Err(ConnectError::Refused { .. })));
    }
}
