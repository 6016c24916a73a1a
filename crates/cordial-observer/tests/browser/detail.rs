//! The page of one process.

use serde_json::json;

use crate::page::browse;

/// Opens the page of the only process whose label matches.
async fn open(page: &crate::page::Page, pattern: &str) {
    page.go(&format!("#/tasks?text={pattern}")).await;
    page.wait("document.querySelectorAll('.row:not(.loading) .label').length === 1").await;
    page.value("(document.querySelector('.row .label').click(), true)").await;
}

#[test]
fn a_process_shows_its_log_its_polls_and_its_life() {
    browse("", async |page, program| {
        program.tell("talk the <b>paper</b> is out");
        open(page, "talker").await;
        page.wait_text(".log-line.warn .log-text", "the <b>paper</b> is out").await;
        page.wait_text(".log-text", "what it says about itself").await;
        // The first row is not that of shorter polls, of which there were none.
        page.wait("Number(document.querySelector('.histogram dd').innerText) > 0").await;
        page.wait_text(".lifeline-words", "spawned").await;
        page.wait_text(".lifeline-words", "first looked at through this observer").await;
        assert_eq!(page.value("document.querySelectorAll('main b').length").await, json!(0));
        program.tell("hush");
        page.wait_text(".ended", "it did not crash").await;
        page.wait_text(".lifeline-words", "ended").await;
        page.value("(window.drawn = document.querySelector('.ended'), true)").await;
        page.wait("import('./live.js').then(({ live }) => (window.first ??= live.overview.now.at_ms) + 2500 < live.overview.now.at_ms)").await;
        assert_eq!(page.value("window.drawn.isConnected").await, json!(true), "a screen reader does not read it again");
    });
}

/// The closures of `set_details` of four processes wait for a lock, for example.
#[test]
fn details_that_do_not_come_are_a_sentence_and_the_page_stays_live() {
    browse("", async |page, program| {
        program.tell("hold 4");
        for n in 0..4 {
            open(page, &format!("held {n}")).await;
            // The page asks again several times meanwhile.
            page.wait("[...document.querySelectorAll('.log-text')].some((line) => /set_details has not returned for ([4-9]|\\d+\\d) s/.test(line.innerText))").await;
        }
        program.tell("talk about the weather");
        open(page, "talker").await;
        page.wait_text(".log-text", "what it says about itself").await;
        page.wait("document.body.dataset.status === 'live'").await;
        program.tell("hush");
        open(page, "held 3").await;
        page.wait_text(".log-text", "it was released").await;
    });
}
