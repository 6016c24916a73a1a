//! The connection to the program, and the token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::page::{LIMIT, LOOK_INTERVAL, browse};

/// How many points the first chart draws.
const POINTS: &str = "document.querySelector('.chart .line').getAttribute('d').match(/[ML]/g).length";

#[test]
fn the_page_survives_a_restart_of_the_program() {
    browse("", async |page, program| {
        page.go("#/tasks").await;
        page.wait("document.body.dataset.status === 'live'").await;
        program.kill();
        page.wait_text("#problems.critical", "does not answer").await;
        page.wait_text(".state", "no answer").await;
        assert!(page.text("main").await.contains("Task"), "what was there stays");
        program.start_again();
        page.wait_text("#problems", "was restarted").await;
        page.wait("document.body.dataset.status === 'live'").await;
        program.tell("wait after the restart");
        page.wait_text(".label", "after the restart").await;
    });
}

#[test]
fn the_history_survives_a_reload() {
    browse("", async |page, program| {
        program.tell("jobs 7000");
        page.wait_text(".chart-number", "7,00").await;
        page.wait(&format!("{POINTS} >= 4")).await;
        let series = "import('./live.js').then(({ live }) => [live.seconds.first, live.overview.now.at_ms])";
        let before = page.value(series).await;
        page.reload().await;
        page.wait(&format!("{POINTS} >= 4")).await;
        // A page without the history would have no point that is older than its reload.
        let after = page.value(series).await;
        assert!(after[0].as_f64() < before[1].as_f64(), "{after} after {before}");
    });
}

#[test]
fn without_a_token_the_page_asks_for_it() {
    browse("", async |page, program| {
        page.wait("document.body.dataset.status === 'live'").await;
        assert!(
            !page.value("location.href").await.as_str().unwrap().contains("token"),
            "the token is not in the address"
        );
        page.tools("Network.clearBrowserCookies", json!({})).await;
        page.reload().await;
        page.wait_text(".token", "asks for a token").await;
        page.press("a wrong token").await;
        for is_hidden in [true, false] {
            let hide = "(Object.defineProperty(document, 'hidden', { value: HIDDEN, configurable: true }), document.dispatchEvent(new Event('visibilitychange')), true)";
            page.value(&hide.replace("HIDDEN", &is_hidden.to_string())).await;
        }
        // The page would have asked the program again by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(page.value("document.querySelector('.token input').value").await, json!("a wrong token"));
        page.press(thirtyfour::Key::Enter).await;
        page.wait("document.querySelector('.token .filter-error').textContent.includes('wrong')").await;
        let right = program.url().split_once("token=").unwrap().1;
        page.press(right).await;
        page.press(thirtyfour::Key::Enter).await;
        page.wait("document.body.dataset.status === 'live'").await;
        page.wait_text("main", "Workers").await;
        // The token behind a `#`: a browser sends this part of an address to no program, so no proxy writes it into its log.
        page.tools("Network.clearBrowserCookies", json!({})).await;
        page.value(&format!("(history.replaceState(null, '', {}), true)", json!(format!("#token={right}")))).await;
        page.reload().await;
        page.wait("document.body.dataset.status === 'live'").await;
        assert_eq!(page.value("location.href").await, json!(program.address()));
    });
}

#[test]
fn an_address_of_no_view_says_so() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        for name in ["nothing", "constructor"] {
            page.value(&format!("(location.hash = '#/{name}', true)")).await;
            page.wait_text("main", &format!("There is no view named “{name}”")).await;
        }
    });
}

#[test]
fn a_hidden_page_is_paused() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        page.press("p").await;
        page.wait_text(".state", "paused").await;
        page.press("p").await;
        page.wait_text(".state", "live").await;
        let hide = "(Object.defineProperty(document, 'hidden', { value: true, configurable: true }), document.dispatchEvent(new Event('visibilitychange')), true)";
        page.value(hide).await;
        page.wait_text(".state", "paused").await;
        page.value(&hide.replace("value: true", "value: false")).await;
        page.wait_text(".state", "live").await;
    });
}

#[test]
fn the_header_shows_the_numbers_of_dropped_records_in_red() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        // Reads what is shown before the page gets to the next tick of the program, in which nothing was dropped.
        let shown = "import('./live.js').then(({ live }) => {
            live.take({ now: live.overview.now, dropped: { crashes: 12, points: 0 } });
            const dropped = document.querySelector('.dropped');
            return [dropped.innerText, dropped.checkVisibility(), getComputedStyle(dropped).color];
        })";
        assert_eq!(page.value(shown).await, json!(["dropped: 12 crashes", true, "rgb(184, 33, 27)"]));
    });
}

/// Opens a stream of events. `None`: the program has refused it.
fn events(authority: &str, token: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut status = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status).unwrap();
    match &status {
        b"HTTP/1.1 200" => Some(stream),
        b"HTTP/1.1 503" => None,
        other => panic!("the program answers {}", String::from_utf8_lossy(other)),
    }
}

/// Opens streams of events until there are this many.
async fn open_events(streams: &mut Vec<TcpStream>, n: usize, authority: &str, token: &str) {
    let started = Instant::now();
    while streams.len() < n {
        assert!(started.elapsed() < LIMIT, "the program refuses further streams: {} are open", streams.len());
        match events(authority, token) {
            Some(stream) => streams.push(stream),
            None => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    }
}

#[test]
fn a_page_that_is_one_too_many_says_so() {
    browse("", async |page, program| {
        page.wait("document.body.dataset.status === 'live'").await;
        let authority = program.address().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let token = program.url().split_once("token=").unwrap().1.to_owned();
        // The page has the last of the 32 streams, and loses it while it is paused.
        let mut others: Vec<TcpStream> = Vec::new();
        open_events(&mut others, 31, &authority, &token).await;
        page.press("p").await;
        page.wait_text(".state", "paused").await;
        // The program refuses this one until it has seen that the page has closed its stream.
        open_events(&mut others, 32, &authority, &token).await;
        page.press("p").await;
        page.wait_text("#problems.critical", "32 pages of this observer are open").await;
        page.wait_text(".state", "not connected").await;
        others.clear();
        page.wait("document.body.dataset.status === 'live'").await;
    });
}

#[test]
fn a_problem_is_said_once_and_not_each_second() {
    browse("", async |page, program| {
        page.wait("document.body.dataset.status === 'live'").await;
        page.value("(window.said = [], new MutationObserver(() => window.said.push(document.getElementById('spoken').textContent)).observe(document.getElementById('spoken'), { childList: true, characterData: true, subtree: true }), true)").await;
        let mut seen: Vec<u64> = Vec::new();
        // On a busy machine, the poll may be measured anew, or the connection may be lost for a moment. Then the problem is a new one.
        while seen.last().is_none_or(|said| *said > 2) {
            assert!(seen.len() < 10, "as a warning, and once more when it is critical: {seen:?}");
            page.value("(window.said.length = 0, true)").await;
            program.tell("spin 4000");
            page.wait("window.said.some((sentence) => sentence.includes('n one poll for'))").await;
            page.wait("window.said.some((sentence) => sentence === 'Nothing is wrong any more.')").await;
            let said = page.value("window.said.filter((sentence) => sentence.includes('n one poll for')).length").await;
            seen.push(said.as_u64().unwrap());
        }
        let live = "document.querySelectorAll('[aria-live]:not(#spoken)').length";
        assert_eq!(page.value(live).await, json!(0), "nothing else is said");
    });
}

/// The clocks of two machines differ.
#[test]
fn times_are_those_of_the_clock_of_the_program() {
    browse("", async |page, program| {
        page.wait("document.body.dataset.status === 'live'").await;
        page.value("(window.exact = Date.now, Date.now = () => window.exact() + 7_200_000, true)").await;
        program.tell("crash no luck");
        page.go("#/crashes").await;
        page.wait_text(".group", "no luck").await;
        page.wait("!document.querySelector('.group').innerText.includes('2 h')").await;
        page.wait("!document.querySelector('.about').innerText.includes('2 h')").await;
    });
}

#[test]
fn a_runtime_that_was_shut_down_is_a_problem() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        let shown = "import('./live.js').then(({ live }) => {
            live.take({ now: live.overview.now, closed: true });
            return document.querySelector('#problems').innerText;
        })";
        let shown = page.value(shown).await;
        assert!(shown.as_str().unwrap().contains("The runtime was shut down"), "{shown}");
    });
}

#[test]
fn a_page_that_was_opened_in_the_background_asks_for_nothing_until_it_is_shown() {
    browse("", async |page, _| {
        let hidden = "Object.defineProperty(Document.prototype, 'hidden', { get: () => !window.shown })";
        page.tools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": hidden })).await;
        page.reload().await;
        page.wait_text(".state", "paused").await;
        let asked = "performance.getEntriesByType('resource').some((entry) => entry.name.includes('/api/'))";
        assert_eq!(page.value(asked).await, json!(false));
        page.value("(window.shown = true, document.dispatchEvent(new Event('visibilitychange')), true)").await;
        page.wait_text(".state", "live").await;
        page.wait_text("main", "Workers").await;
    });
}
