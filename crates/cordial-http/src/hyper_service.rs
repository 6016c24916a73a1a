//! Services of hyper as services of tower.

use std::sync::Arc;
use std::task::{Context, Poll};

/// Turns a service of hyper into a service of tower, which [`shared`](crate::shared) and
/// [`TaskLayer`](crate::TaskLayer) take.
///
/// # Examples
///
/// ```
/// # async fn example(listener: tokio::net::TcpListener) -> Result<(), cordial::Exit> {
/// use std::convert::Infallible;
///
/// use http_body_util::Full;
/// use hyper::body::{Bytes, Incoming};
/// use hyper::{Request, Response, service::service_fn};
///
/// async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
///     Ok(Response::new(Full::from("hello")))
/// }
///
/// let hello = cordial_http::hyper_service(service_fn(hello));
/// cordial_http::serve(listener, cordial_http::shared(hello)).await?;
/// # Ok(())
/// # }
/// ```
pub fn hyper_service<S>(service: S) -> HyperService<S> {
    HyperService(Arc::new(service))
}

/// The service that [`hyper_service`] returns. Clones share the service of hyper.
#[derive(Debug)]
pub struct HyperService<S>(Arc<S>);

impl<S> Clone for HyperService<S> {
    fn clone(&self) -> HyperService<S> {
        HyperService(self.0.clone())
    }
}

impl<S, R> tower_service::Service<R> for HyperService<S>
where
    S: hyper::service::Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}
