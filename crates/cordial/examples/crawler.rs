//! Crawls a site: eight pages at a time, at most one new page per 5 ms, each with limits and retries. After Ctrl-C the pages that have
//! begun are finished. The argument is the first page; without one, it crawls a local site, some pages of which fail or hang.
#![expect(clippy::print_stdout, reason = "an example prints")]
use axum::{Router, extract::Path, http::StatusCode, routing::get};
use cordial::{Backoff, Retry, Task};
use futures::{StreamExt, channel::mpsc};
use reqwest::{Client, Url};
use std::{collections::HashSet, error::Error, pin::pin, process::ExitCode, time::Duration};
use tokio::{net::TcpListener, time::sleep};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
const MS: Duration = Duration::from_millis(1);
const MAX: (usize, usize) = (200, 1 << 20); // pages, and bytes of a page
async fn page(Path(n): Path<u32>) -> (StatusCode, String) {
    match n {
        n if n % 40 == 13 => std::future::pending().await,
        n if n % 20 == 7 => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        n => (StatusCode::OK, format!("<a href=\"/{}\"> <a href=\"{}#top\"> <a href=\"/{n}\">", 2 * n, 2 * n + 1)),
    }
}
/// Returns the links of a page to pages of the same site.
async fn links(client: Client, url: Url) -> Result<Vec<Url>> {
    let (mut response, mut body) = (client.get(url.clone()).send().await?.error_for_status()?, Vec::new());
    while let Some(chunk) = response.chunk().await?.filter(|_| body.len() < MAX.1) {
        body.extend_from_slice(&chunk);
    }
    let body = String::from_utf8_lossy(&body);
    let targets = body.split("href=\"").skip(1).filter_map(|rest| url.join(rest.split(['"', '#']).next()?).ok());
    Ok(targets.filter(|target| target.origin() == url.origin()).collect())
}
async fn crawl(first: Url) -> Result<()> {
    let (found, urls) = mpsc::unbounded(); // not more than MAX.0
    let (client, mut seen, mut n_open) = (Client::new(), HashSet::from([first.clone()]), 1);
    found.unbounded_send(first)?;
    let urls = urls.then(async |url| (sleep(5 * MS).await, url).1).take_until(cordial::shutdown_requested());
    let is_transient = |error: &reqwest::Error| error.status().is_none_or(|status| status.is_server_error());
    let retry = Retry::times(2).backoff(Backoff::exponential(50 * MS, 1000 * MS));
    let pages =
        Task::async_stream_from(urls, move |url| links(client.clone(), url)).label(|url| format!("fetch {url}"));
    let pages = pages.unordered().max_concurrency(8).timeout(1000 * MS).or_exit().zip_input_on_exit();
    let mut pages = pin!(pages.retry(retry.when(move |exit| exit.downcast_ref().is_some_and(is_transient))));
    while let Some(page) = if n_open > 0 { pages.next().await } else { None } {
        n_open -= 1;
        let Ok(links) = page.inspect_err(|failure| println!("{}: {}", failure.input, failure.exit)) else { continue };
        for url in links.into_iter().filter(|url| seen.len() < MAX.0 && seen.insert(url.clone())) {
            n_open += 1;
            let _ = found.unbounded_send(url); // fails after Ctrl-C: the page stays open
        }
    }
    println!("{} pages found, {n_open} of them not fetched", seen.len());
    Ok(())
}
fn main() -> ExitCode {
    cordial::main(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let first = std::env::args().nth(1).unwrap_or(format!("http://{}/1", listener.local_addr()?)).parse()?;
        let _site = Task::spawn(async { axum::serve(listener, Router::new().route("/{n}", get(page))).await });
        crawl(first).await
    })
}
