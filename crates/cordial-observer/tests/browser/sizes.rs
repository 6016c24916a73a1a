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
