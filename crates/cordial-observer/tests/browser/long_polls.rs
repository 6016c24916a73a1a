//! Polls that do not return.

use serde_json::json;

use crate::page::browse;

/// How soon after its begin a long poll has to be sent to the page, in milliseconds.
const SOON_MS: u64 = 2_000;

/// How long Chromium may take to show what the program has sent, on a machine that has other work to do.
const CHROMIUM_MS: u64 = 10_000;

/// Keeps the first state of the page that shows the spinner: `[when the poll began, how long it lasted, when it was shown]`.
const WATCH: &str = "import('./live.js').then(({ live }) => live.addEventListener('tick', () => {
    const poll = live.overview.long_polls.find((poll) => poll.label === 'spinner');
    if (poll && document.querySelector('.poll')?.innerText.includes('spinner')) window.seen ??= [poll.since_at_ms, poll.for_ms, Date.now()];
}))";

#[test]
fn a_spinning_task_shows_up_within_two_seconds() {
    browse("", async |page, program| {
        page.go("#/polls").await;
        page.wait_text("main", "No poll lasts longer").await;
        page.value(WATCH).await;
        let mut seen = Vec::new();
        // On a busy machine, the thread of the observer may get no processor for a second, so one of several polls is enough.
        loop {
            program.tell("spin 6000");
            page.wait("window.seen").await;
            let shown = page.value("window.seen").await;
            let [began_at, lasted, shown_at] = [0, 1, 2].map(|index| shown[index].as_u64().unwrap());
            let late = shown_at.saturating_sub(began_at);
            if lasted < SOON_MS && late < SOON_MS + CHROMIUM_MS {
                break;
            }
            seen.push((lasted, late));
            assert!(seen.len() < 5, "after how many ms the program sent each poll, and the page showed it: {seen:?}");
            page.wait_text("main", "No poll lasts longer").await;
            page.value("(delete window.seen, true)").await;
        }
        // Until it is critical.
        program.tell("spin 300000");
        page.wait_text(".poll .place", "program.rs:").await;
        page.wait_text("#problems.critical", "spinner").await;
        page.go("#/overview").await;
        page.wait_text(".worker.critical", "in one poll for").await;
    });
}

#[test]
fn the_page_is_live_while_every_worker_is_stuck() {
    browse("threads=4", async |page, program| {
        page.go("#/polls").await;
        page.wait_text("main", "No poll lasts longer").await;
        program.tell("block 8");
        // Four tasks hold the four threads, and the others wait for one.
        page.wait("import('./live.js').then(({ live }) => live.overview.now.queued > 0)").await;
        page.wait("document.querySelectorAll('.poll').length === 4").await;
        let before = json!(page.text(".poll-time").await.lines().collect::<Vec<&str>>());
        page.wait(&format!(
            "[...document.querySelectorAll('.poll-time')].every((time) => !{before}.includes(time.innerText))"
        ))
        .await;
        page.wait("document.body.dataset.status === 'live'").await;
    });
}
