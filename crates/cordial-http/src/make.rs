//! One service for all connections.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use tower_service::Service;

/// Returns a make-service that serves each connection with a clone of `service`.
///
/// # Examples
///
/// ```
/// # async fn example(listener: tokio::net::TcpListener) -> Result<(), cordial::Exit> {
/// use axum::Router;
///
/// let app = Router::new(); // any tower service of HTTP requests
/// cordial_http::serve(listener, cordial_http::shared(app)).await?;
/// # Ok(())
/// # }
/// ```
pub fn shared<S: Clone>(service: S) -> Shared<S> {
    Shared(service)
}

/// The make-service that [`shared`] returns.
#[derive(Clone, Debug)]
pub struct Shared<S>(S);

impl<S: Clone, Target> Service<Target> for Shared<S> {
    type Response = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Target) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}
