//! The pictures of the README and the guide: the example `shop`, as the page shows it.
//!
//! Made again by `cargo build -p cordial-observer --example shop` and then
//! `CORDIAL_PICTURES=docs/images cargo test -p cordial-observer --test browser pictures`.

use std::path::PathBuf;
use std::time::Duration;

use crate::page::browse_program;
use crate::program::Program;

/// The folder for the pictures, from the root of the repository.
const FOLDER: &str = "CORDIAL_PICTURES";

/// How long the example runs before the first picture, so that there is something to see.
const WARM_UP: Duration = Duration::from_secs(75);

/// The size of the pictures.
const WIDTH: u32 = 1120;
const HEIGHT: u32 = 730;

/// Each picture: the view, and whether the page is light or dark.
const PICTURES: [(&str, &str); 4] = [("overview", "light"), ("tree", "light"), ("tasks", "dark"), ("crashes", "light")];

#[test]
fn pictures_of_the_example() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(folder);
    std::fs::create_dir_all(&folder).unwrap();
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
