//! Fetches 200 pages, 50 at a time, from a local server whose pages are slow; some fail, and some hang.
//!
//! A page that fails is retried. A page that exceeds its timeout is not.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::io;
use std::time::Duration;

use cordial::{Backoff, Exit, Retry, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

/// Answers one request. The path is the number of a page.
async fn answer(mut client: TcpStream) -> io::Result<()> {
    let mut request = [0; 1024];
    let n_read = client.read(&mut request).await?;
    let page = String::from_utf8_lossy(&request[..n_read]).split(['/', ' ']).nth(2).and_then(|page| page.parse().ok());
    let (status, body) = match page.unwrap_or(0) {
        page if page % 50 == 13 => std::future::pending().await,
        page if page % 20 == 7 => ("503 Service Unavailable", String::new()),
        page => ("200 OK", format!("this is page {page}\n").repeat(page)),
    };
    sleep(100 * MS).await;
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all((head + &body).as_bytes()).await
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        Task::start(answer(listener.accept().await?.0));
    }
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let _server = Task::spawn(serve(listener));

        let client = reqwest::Client::new();
        let urls = (0..200).map(|page| format!("http://{address}/{page}"));
        let fetch = |url: String| {
            let request = client.get(url).send();
            async { Ok::<_, reqwest::Error>(request.await?.error_for_status()?.text().await?.len()) }
        };
        let retry = Retry::times(2).backoff(Backoff::exponential(50 * MS, 1000 * MS));
        let pages = Task::async_stream(urls, fetch).max_concurrency(50).timeout(1000 * MS).or_exit();
        let pages = pages.retry(retry.when(|exit| !matches!(exit, Exit::Timeout(_)))).zip_input_on_exit();
        let (started, progress) = (Instant::now(), pages.progress());
        let (sizes, failed) = pages.partition().await;
        println!("{} pages, {} bytes, in {:.1?}", sizes.len(), sizes.iter().sum::<usize>(), started.elapsed());
        println!("{} pages failed, after {} retries; these timed out:", failed.len(), progress.retried());
        failed.iter().filter(|page| matches!(page.exit, Exit::Timeout(_))).for_each(|page| println!("  {page}"));
        Ok::<(), Exit>(())
    })
}
