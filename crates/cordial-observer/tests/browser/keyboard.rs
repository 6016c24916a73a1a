//! The page is used with the keyboard only.

use serde_json::json;
use thirtyfour::Key;

use crate::page::browse;

#[test]
fn every_view_and_an_action_are_reached_with_the_keyboard() {
    browse("actions jobs=300", async |page, program| {
        program.tell("crash out of paper");
        page.wait("document.body.dataset.status === 'live'").await;
        // Help.
        page.press("?").await;
        page.wait_text("dialog", "go to the filter").await;
        page.press(Key::Escape).await;
        page.wait("!document.querySelector('dialog')").await;
        // The tree: close and open a branch, go into it and back.
        page.press("2").await;
        page.wait("document.activeElement.getAttribute('role') === 'tree'").await;
        page.wait("document.querySelectorAll('[role=treeitem][aria-expanded=true]').length > 0").await;
        let active = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))";
        page.wait(active).await;
        for _ in 0..20 {
            if page.value(&format!("{active}.getAttribute('aria-expanded')")).await == json!("true") {
                break;
            }
            page.press(Key::Down).await;
        }
        page.press(Key::Left).await;
        page.wait(&format!("{active}.getAttribute('aria-expanded') === 'false'")).await;
        page.press(Key::Right).await;
        page.wait(&format!("{active}.getAttribute('aria-expanded') === 'true'")).await;
        page.press(Key::Right).await;
        page.wait(&format!("{active}.getAttribute('aria-level') === '2'")).await;
        page.press(Key::Left).await;
        page.wait(&format!("{active}.getAttribute('aria-level') === '1'")).await;
        // The table: filter, sort, open a task, end it.
        page.press("3").await;
        page.wait("document.activeElement.getAttribute('role') === 'grid'").await;
        page.press("/").await;
        page.press("job 29.").await;
        page.wait_text(".summary", "10 of").await;
        page.press(Key::Enter).await;
        page.press("s").await;
        page.wait("document.querySelector('[aria-sort]').dataset.sort !== 'busy_share'").await;
        page.press(Key::Down).await;
        let name = page.value(&format!("{active}.querySelector('.label').textContent")).await;
        page.press(Key::Enter).await;
        page.wait_text(".task-head", name.as_str().unwrap()).await;
        page.press("x").await;
        page.wait_text("dialog", "End job").await;
        page.press(Key::Tab).await;
        page.press(Key::Enter).await;
        page.wait("document.querySelector('dialog .answer.done')").await;
        page.press(Key::Escape).await;
        page.wait("!document.querySelector('dialog')").await;
        // Back, and through every view.
        page.press("u").await;
        page.wait("document.querySelector('main').className === 'view-tasks'").await;
        for (key, route) in [
            "#/overview",
            "#/tree",
            "#/tasks",
            "#/crashes",
            "#/polls",
            "#/streams",
            "#/servers",
            "#/sets",
            "#/connections",
            "#/warnings",
        ]
        .into_iter()
        .enumerate()
        .map(|(index, route)| (((index + 1) % 10).to_string(), route))
        {
            page.press(key).await;
            let view = route.trim_start_matches("#/");
            page.wait(&format!(
                "location.hash.startsWith('{route}') && document.querySelector('main').className === 'view-{view}'"
            ))
            .await;
            page.wait("document.activeElement !== document.body").await;
        }
        // The focused element has an outline.
        page.press("3").await;
        page.wait("document.activeElement.getAttribute('role') === 'grid'").await;
        page.press(Key::Tab).await;
        page.press(Key::Tab).await;
        page.wait("document.activeElement !== document.body && getComputedStyle(document.activeElement).outlineStyle !== 'none'").await;
        page.press("t").await;
        page.wait("document.documentElement.dataset.theme === 'light'").await;
        page.press("t").await;
        page.wait("getComputedStyle(document.body).colorScheme === 'dark' || document.documentElement.dataset.theme === 'dark'").await;
    });
}

#[test]
fn the_focus_stays_while_the_page_of_a_process_is_redrawn() {
    browse("actions", async |page, program| {
        program.tell("jobs 5");
        page.go("#/tasks?text=%5Ejobs%24").await;
        page.wait("document.querySelectorAll('.row:not(.loading)').length === 1").await;
        page.value("(document.querySelector('.row .label').click(), true)").await;
        page.wait("document.querySelectorAll('.plain-list a').length === 5").await;
        page.value("(window.before = document.querySelectorAll('.plain-list a')[3], window.before.focus(), true)")
            .await;
        page.wait("!window.before.isConnected").await;
        let focused = "[...document.querySelectorAll('.plain-list a')].indexOf(document.activeElement)";
        assert_eq!(page.value(focused).await, json!(3));
        // The closed dialog returns the focus to the button that opened it, or to the button that has replaced that one.
        page.press("x").await;
        page.wait("document.querySelector('dialog[open]')").await;
        page.press(Key::Escape).await;
        page.wait("document.activeElement.dataset.keep === 'act'").await;
    });
}
