//! The crash log.

use serde_json::json;

use crate::page::browse;

#[test]
fn a_crash_appears_with_its_place() {
    browse("", async |page, program| {
        page.go("#/crashes").await;
        page.wait_text("main", "Nothing has crashed").await;
        program.tell("crash out of paper");
        page.wait_text(".group-message", "out of paper").await;
        page.wait_text(".group .place", "program.rs:").await;
        page.wait_text("#problems", "crashed in the last minute").await;
        program.tell("crash out of ink");
        page.wait(
            "[...document.querySelectorAll('.group')].length === 1 && document.querySelector('.group-count').textContent === '2'",
        )
        .await;
        page.value("(document.querySelector('.group-message').click(), true)").await;
        page.wait_text(".crash-title", "out of ink").await;
        page.wait_text(".facts", "crasher").await;
        page.wait_text(".facts", "tests/browser/program.rs:").await;
    });
}

#[test]
fn the_focus_stays_in_the_view_of_a_crash_that_is_not_in_the_log() {
    browse("", async |page, _| {
        page.go("#/crash/999999").await;
        page.wait_text(".filter-error", "there is no crash 999999").await;
        page.value("(document.querySelector('.crash a').focus(), window.link = document.activeElement, window.points = 0, true)").await;
        page.value(
            "import('./live.js').then(({ live }) => (live.addEventListener('tick', () => (window.points += 1)), true))",
        )
        .await;
        page.wait("window.points >= 3").await;
        assert_eq!(page.value("document.activeElement === window.link").await, json!(true));
    });
}

#[test]
fn the_number_of_crashes_is_that_of_the_filter() {
    browse("", async |page, program| {
        page.go("#/crashes").await;
        program.tell("crash out of paper");
        program.tell("crash out of ink");
        page.wait_text(".summary", "2 crashes at 1 place").await;
        page.go("#/crashes?text=ink").await;
        page.wait_text(".summary", "1 crash at 1 place").await;
    });
}

#[test]
fn a_place_whose_path_is_no_pattern_is_found() {
    browse("", async |page, _| {
        page.go("#/crashes").await;
        let link = "import('./problems.js').then(({ link }) => link({ view: 'crashes', place: '/a+b/c.rs:1:2' }))";
        page.wait(&format!("{link}.then((link) => link === '#/crashes?text=%2Fa%5C%2Bb%2Fc.rs%3A1%3A2')")).await;
    });
}

#[test]
fn a_place_that_crashes_again_and_again_leads_to_its_crashes() {
    browse("", async |page, program| {
        for n in 1..=5 {
            program.tell(&format!("crash out of paper {n}"));
        }
        // The strip says what happened, and where, as the page shows places.
        page.wait_text("#problems", "5 processes crashed at program.rs:").await;
        page.wait_text("#problems", "out of paper").await;
        page.go("#/warnings").await;
        page.wait_text(".warning-row .sentence", "5 processes crashed at program.rs:").await;
        page.value("(document.querySelector('.warning-row .sentence').click(), true)").await;
        page.wait_text(".group-message", "out of paper").await;
    });
}
