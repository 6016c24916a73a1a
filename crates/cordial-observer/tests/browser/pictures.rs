//! Pictures of the page, made after `cargo build -p cordial-observer --example shop`.
//!
//! - `CORDIAL_PICTURES=docs/images cargo test -p cordial-observer --test browser pictures_of_the_example`: those of the README and the guide.
//! - `CORDIAL_VIEWS=target/views cargo test -p cordial-observer --test browser pictures_of_every_view`: each view in three sizes, light and dark, of a
//!   program without work, of the example `shop`, and of a program under load, to look at after a change of the page.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::page::{Page, browse_program};
use crate::program::Program;

/// The folder for the pictures of the guide, from the root of the repository.
const FOLDER: &str = "CORDIAL_PICTURES";

/// The same for the pictures of every view.
const FOLDER_OF_VIEWS: &str = "CORDIAL_VIEWS";

/// How long the example runs before the first picture, so that there is something to see.
const WARM_UP: Duration = Duration::from_secs(75);

/// The size of the pictures.
const WIDTH: u32 = 1120;
const HEIGHT: u32 = 730;

/// Each picture: the view, and whether the page is light or dark.
const PICTURES: [(&str, &str); 4] = [("overview", "light"), ("tree", "light"), ("tasks", "dark"), ("crashes", "light")];

const VIEWS: [&str; 11] =
    ["overview", "tree", "tasks", "crashes", "polls", "streams", "servers", "sets", "connections", "warnings", "audit"];

/// The views of one process and one crash, with the view and the link that lead there.
const DETAILS: [(&str, &str, &str); 2] =
    [("task", "tasks", ".row:not(.loading) .label"), ("crash", "crashes", ".group-message")];

const SIZES: [(u32, u32); 3] = [(360, 740), (1280, 800), (3840, 2160)];

/// Makes the folder that a variable of the environment names.
fn folder(variable: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(std::env::var_os(variable)?);
    std::fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

/// Acts through the page, and sends requests that are refused, so that the audit log has rows of each kind.
async fn fill_audit(page: &Page, program: &Program) {
    let act = "(async () => {
        const ask = async (path, init) => (await fetch(path, init)).json();
        const { csrf } = await ask('api/overview?history=none');
        const { rows } = await ask('api/tasks?text=^job 1.$');
        const act = (kind, pid) => ask('api/actions', { method: 'POST', headers: { 'content-type': 'application/json', 'x-cordial-csrf': csrf }, body: JSON.stringify({ kind, pid }) });
        for (const row of rows.slice(0, 4)) await act('kill', row.pid);
        await act('shut_down', rows[4].pid);
        await act('restart', rows[5].pid);
        await act('kill', rows[0].pid);
        return rows.length;
    })()";
    page.value(act).await;
    let authority = program.address().trim_start_matches("http://").trim_end_matches('/');
    let refused = [("a-wrong-token", authority), ("another", authority), ("another", "attacker.example")];
    for (token, host) in refused {
        let mut stream = TcpStream::connect(authority).unwrap();
        let request = format!(
            "GET /api/tasks HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
    }
}

/// Makes pictures of every view in every size, light and dark, after `prepare`. The names of the pictures begin with `name`.
fn every_view(name: &str, start: fn() -> Program, prepare: impl AsyncFnOnce(&Page, &mut Program)) {
    let Some(folder) = &folder(FOLDER_OF_VIEWS) else { return };
    browse_program(start, async |page, program| {
        page.wait("document.body.dataset.status === 'live'").await;
        prepare(page, program).await;
        for (width, height) in SIZES {
            for scheme in ["light", "dark"] {
                page.resize(width, height, scheme).await;
                let save = async |view: &str| {
                    page.wait("!document.getElementById('main').innerText.includes('Loading')").await;
                    // Until the rows have come.
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    let file = format!("{name}-{view}-{width}-{scheme}.png");
                    std::fs::write(folder.join(file), page.picture().await).unwrap();
                };
                for view in VIEWS {
                    page.go(&format!("#/{view}")).await;
                    save(view).await;
                }
                for (view, list, link) in DETAILS {
                    page.go(&format!("#/{list}")).await;
                    page.wait("!document.getElementById('main').innerText.includes('Loading')").await;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    // There may be no crash.
                    let open = format!("(document.querySelector('{link}')?.click(), true)");
                    page.value(&open).await;
                    save(view).await;
                }
            }
        }
    });
}

#[test]
fn pictures_of_every_view_of_a_program_without_work() {
    every_view("empty", || Program::start(""), async |_, _| {});
}

#[test]
fn pictures_of_every_view_of_the_example() {
    every_view("shop", Program::start_example, async |_, _| tokio::time::sleep(WARM_UP).await);
}

#[test]
fn pictures_of_every_view_under_load() {
    every_view(
        "load",
        || Program::start("actions jobs=100000 load="),
        async |page, program| {
            tokio::time::sleep(Duration::from_secs(40)).await;
            fill_audit(page, program).await;
        },
    );
}

#[test]
fn pictures_of_the_example() {
    let Some(folder) = folder(FOLDER) else { return };
    browse_program(Program::start_example, async |page, _| {
        tokio::time::sleep(WARM_UP).await;
        for (view, scheme) in PICTURES {
            page.resize(WIDTH, HEIGHT, scheme).await;
            page.go(&format!("#/{view}")).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            // In the middle of a long poll, so that the picture shows a problem.
            page.wait("document.querySelector('#problems.critical')").await;
            std::fs::write(folder.join(format!("observer-{view}.png")), page.picture().await).unwrap();
        }
    });
}

/// Each view of the example has rows, also those that no picture shows.
#[test]
fn the_example_has_something_to_see() {
    browse_program(Program::start_example, async |page, _| {
        page.go("#/tree").await;
        page.wait_text(".label", "back office").await;
        page.wait_text(".label", "payments").await;
        page.go("#/servers").await;
        page.wait_text(".label", "Stock").await;
        page.go("#/polls").await;
        page.wait_text(".poll", "monthly report").await;
        page.go("#/crashes").await;
        page.wait_text(".group-message", "has no address").await;
        page.go("#/streams").await;
        page.wait_text(".row", "shop.rs").await;
    });
}
