//! The page at all sizes.

use serde_json::json;

use crate::page::browse;

#[test]
fn nothing_is_cut_off_from_a_phone_to_a_large_screen() {
    browse("jobs=300", async |page, program| {
        program.tell("wait a label that is much longer than what a column has room for, and that goes on and on");
        program.tell("block 1 a label that is much longer than what a column has room for, and that goes on and on");
        program.tell("crash a message that is much longer than what a column has room for, and that goes on and on");
        for (width, height, scheme) in [(360, 740, "light"), (1280, 800, "dark"), (3840, 2160, "light")] {
            page.resize(width, height, scheme).await;
            for view in [
                "overview",
                "tree",
                "tasks",
                "crashes",
                "polls",
                "streams",
                "servers",
                "sets",
                "connections",
                "warnings",
                "audit",
            ] {
                page.go(&format!("#/{view}")).await;
                page.wait(&format!("document.querySelector('main').className === 'view-{view}'")).await;
                let wide = "[document.documentElement, document.querySelector('main')].every((element) => element.scrollWidth <= element.clientWidth)";
                page.wait(wide).await;
            }
            // Nothing of the program hides what it is about.
            page.go("#/polls").await;
            page.wait("document.querySelector('.poll-time').getBoundingClientRect().right <= innerWidth").await;
            page.wait("document.getElementById('problems').clientHeight < innerHeight / 2").await;
            let ground = page.value("getComputedStyle(document.body).backgroundColor").await;
            let expected = if scheme == "dark" { json!("rgb(18, 21, 24)") } else { json!("rgb(250, 250, 248)") };
            assert_eq!(ground, expected, "the page is {scheme}");
        }
    });
}

/// A narrow row used to cut off the end of the sentence, which says what the action has done.
#[test]
fn the_result_of_an_action_is_read_to_its_end() {
    browse("actions", async |page, program| {
        program.tell("wait victim");
        let kill = "(async () => {
            const ask = async (path, init) => (await fetch(path, init)).json();
            const { csrf } = await ask('api/overview?history=none');
            const { rows } = await ask('api/tasks?text=victim');
            const body = JSON.stringify({ kind: 'kill', pid: rows[0].pid });
            return ask('api/actions', { method: 'POST', headers: { 'content-type': 'application/json', 'x-cordial-csrf': csrf }, body });
        })().then((answer) => answer.ended)";
        page.wait(kill).await;
        for (width, height) in [(360, 740), (1280, 800), (3840, 2160)] {
            page.resize(width, height, "light").await;
            page.go("#/audit").await;
            page.wait_text(".row .wrapped", "it was killed.").await;
            let fits = "[...document.querySelectorAll('.row:not(.loading)')].every((row) => row.scrollHeight <= row.clientHeight && ((text) => text.scrollHeight <= text.clientHeight && text.scrollWidth <= text.clientWidth)(row.querySelector('.wrapped')))";
            page.wait(fits).await;
            page.wait_text(".row", "127.0.0.1").await;
            page.go("#/overview").await;
        }
    });
}

/// The end of a number that is cut off looks like another number.
#[test]
fn no_number_of_a_bar_is_cut_off() {
    browse("load=", async |page, _| {
        for (width, height) in [(360, 740), (1280, 800)] {
            page.resize(width, height, "light").await;
            for view in ["streams", "sets", "servers", "tasks"] {
                page.go(&format!("#/{view}")).await;
                page.wait("document.querySelector('.row:not(.loading) .bar-number')").await;
                page.wait("[...document.querySelectorAll('.row:not(.loading) .bar-number')].every((number) => number.scrollWidth <= number.clientWidth)").await;
            }
        }
    });
}

#[test]
fn the_current_view_stays_visible_in_the_list_of_views_when_the_window_becomes_narrow() {
    browse("", async |page, _| {
        page.resize(1280, 800, "light").await;
        page.go("#/audit").await;
        page.resize(360, 740, "light").await;
        let visible = "((link) => link.left >= 0 && link.right <= innerWidth)(document.querySelector('nav a[aria-current]').getBoundingClientRect())";
        page.wait(visible).await;
    });
}

#[test]
fn a_filter_by_place_is_shown_on_a_narrow_screen() {
    browse("", async |page, _| {
        page.resize(360, 740, "light").await;
        let is_shown = "document.querySelector('.narrow [name=place]').checkVisibility()";
        page.go("#/tasks").await;
        page.wait(&format!("!{is_shown}")).await;
        page.go("#/tasks?place=shop.rs").await;
        page.wait(is_shown).await;
    });
}
