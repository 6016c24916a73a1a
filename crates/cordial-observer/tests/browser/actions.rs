//! Actions: off until the program enables them, confirmed, and answered with what happened.

use thirtyfour::Key;

use crate::page::browse;

#[test]
fn without_permission_nothing_is_offered() {
    browse("", async |page, program| {
        program.tell("wait victim");
        page.go("#/tasks?text=victim").await;
        page.wait_text(".label", "victim").await;
        page.press(Key::Enter).await;
        page.wait_text(".task-head", "victim").await;
        page.press("x").await;
        page.wait("!document.querySelector('dialog, .danger')").await;
        // A request that is sent all the same is refused by the server.
        let request = "fetch('api/overview').then((answer) => answer.json()).then((overview) => fetch('api/actions', { method: 'POST', headers: { 'content-type': 'application/json', 'x-cordial-csrf': overview.csrf }, body: JSON.stringify({ kind: 'kill', pid: decodeURIComponent(location.hash.split('/')[2]) }) })).then((answer) => answer.status)";
        assert_eq!(page.value(request).await, serde_json::json!(403));
    });
}

#[test]
fn a_kill_is_confirmed_and_answered() {
    browse("actions", async |page, program| {
        program.tell("wait victim");
        page.go("#/tasks?text=victim").await;
        page.wait_text(".label", "victim").await;
        page.press(Key::Enter).await;
        page.wait_text(".task-head .danger", "End it").await;
        page.press("x").await;
        page.wait_text("dialog", "End victim?").await;
        page.value("(document.querySelector('dialog [value=kill]').click(), true)").await;
        page.value("(document.querySelector('dialog [type=submit]').click(), true)").await;
        page.wait("document.querySelector('dialog .answer.done')?.textContent.length > 5").await;
        page.press(Key::Escape).await;
        page.wait("!document.querySelector('dialog')").await;
        page.wait_text(".ended", "ended").await;
        page.go("#/audit").await;
        page.wait_text(".row", "kill").await;
        page.go("#/tasks?text=victim").await;
        page.wait_text(".empty", "Nothing matches").await;
    });
}

#[test]
fn a_kill_of_a_task_in_a_poll_says_that_it_cannot_end_yet() {
    browse("actions", async |page, program| {
        program.tell("block 1");
        page.go("#/polls").await;
        page.wait_text(".poll", "blocked").await;
        page.value("(document.querySelector('.poll .label').click(), true)").await;
        page.wait_text(".task-head .danger", "End it").await;
        page.press("x").await;
        page.wait_text("dialog", "End blocked?").await;
        page.value("(document.querySelector('dialog [value=kill]').click(), true)").await;
        page.value("(document.querySelector('dialog [type=submit]').click(), true)").await;
        page.wait("/in a poll for .* ends? when/.test(document.querySelector('dialog .answer.done')?.textContent)")
            .await;
    });
}
