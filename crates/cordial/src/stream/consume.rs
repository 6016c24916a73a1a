//! Methods that consume a stream and need no `futures::StreamExt`.

use futures_core::Stream;
use futures_util::StreamExt;

use super::async_stream::AsyncStream;
use crate::process::HeldValues;

impl<S, F, O, T, E, P> AsyncStream<S, F, O, T, E, P>
where
    S: Stream,
    Self: Stream<Item = Result<T, E>>,
{
    /// Returns the next result, or `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let mut stream = Task::async_stream([1], |n| async move { n });
    ///     assert_eq!((stream.next().await, stream.next().await), (Some(Ok(1)), None));
    /// });
    /// ```
    pub async fn next(&mut self) -> Option<Result<T, E>>
    where
        S: Unpin,
    {
        StreamExt::next(self).await
    }

    /// Returns all results, in the order of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future asks all running items to shut down, and loses the results so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     assert_eq!(Task::async_stream([1, 2], |n| async move { 2 * n }).collect().await, [Ok(2), Ok(4)]);
    /// });
    /// ```
    #[must_use = "nothing runs before it is awaited, and only its output shows which items have failed"]
    pub async fn collect(self) -> Vec<Result<T, E>> {
        let mut results = HeldValues::new();
        let mut stream = std::pin::pin!(self);
        while let Some(result) = StreamExt::next(&mut stream).await {
            results.push(result);
        }
        results.into_vec()
    }

    /// Returns all values and all failures, each in the order of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future asks all running items to shut down, and loses the results so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let (values, exits) = Task::async_stream([2, 0, 3], |n| async move { 6 / n }).partition().await;
    ///     assert_eq!((values, exits.len()), (vec![3, 2], 1));
    /// });
    /// ```
    #[must_use = "nothing runs before it is awaited, and only its output shows which items have failed"]
    pub async fn partition(self) -> (Vec<T>, Vec<E>) {
        let (mut values, mut failures) = (HeldValues::new(), HeldValues::new());
        let mut stream = std::pin::pin!(self);
        while let Some(result) = StreamExt::next(&mut stream).await {
            match result {
                Ok(value) => values.push(value),
                Err(failure) => failures.push(failure),
            }
        }
        (values.into_vec(), failures.into_vec())
    }
}
