//! What the compiler says about the first mistakes with this crate, and with `cordial-http`. Each case is a small program that must not compile.
//!
//! The programs are one package, which this test writes below the target directory, and checks with cargo.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// A program with a mistake: its name, the statement, and texts that the compiler's message about it has.
type Case = (&'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "start_with_an_output",
        "Task::start(async { 5 });",
        &[
            "a process without a handle cannot output `{integer}`",
            "end the future with `;` to drop its output, or use `spawn`",
        ],
    ),
    (
        "main_with_an_output",
        "cordial::main(async { 5 });",
        &["`cordial::main` cannot make an exit status of `{integer}`", "the output may be `()`, `!`, an `ExitCode`"],
    ),
    (
        "start_with_a_wrong_error",
        "Task::start(async { Err::<(), _>(NoError) });",
        &[
            "the error `NoError` cannot become an `Exit`",
            "`NoError` does not convert into `Box<dyn Error + Send + Sync>`",
        ],
    ),
    (
        "zip_without_clone",
        "let _ = Task::async_stream([NoError], |_| async {}).zip_input_on_exit();",
        &[
            "the input `NoError` of this stream has to be `Clone`: derive it, or let the stream have an `Arc` of each input",
        ],
    ),
    (
        "retry_without_clone",
        "let _ = Task::async_stream([NoError], |_| async {}).retry(cordial::Retry::times(1));",
        &["the input `NoError` of this stream has to be `Clone`"],
    ),
    (
        "or_exit_with_a_wrong_error",
        "let _ = Task::spawn(async { Err::<(), _>(NoError) }).or_exit();",
        &["the error `NoError` cannot become an `Exit`", "implement `std::error::Error` for it"],
    ),
    (
        "stream_or_exit_with_a_wrong_error",
        "let _ = Task::async_stream([1], |_| async { Err::<(), _>(NoError) }).or_exit();",
        &["the error `NoError` cannot become an `Exit`"],
    ),
    (
        "a_future_that_is_not_send",
        "let _ = Task::spawn(async { let rc = std::rc::Rc::new(1); std::future::ready(()).await; drop(rc) });",
        &["future cannot be sent between threads safely", "await occurs here, with `rc` maybe used later"],
    ),
    (
        "a_future_that_borrows",
        "let text = String::new(); let _ = Task::spawn(async { text.len() });",
        &["async block may outlive the current function, but it borrows `text`", "use the `move` keyword"],
    ),
    (
        "a_set_that_is_used_after_all",
        "let set = cordial::TaskSet::<u8>::new(); drop(set.all()); set.len();",
        &["borrow of moved value: `set`", "takes ownership of the receiver `self`, which moves `set`"],
    ),
    (
        "a_message_that_is_not_handled",
        "struct Mute; impl cordial::server::Server for Mute {} drop(cordial::server::ServerRef::start(|| Mute).call(5));",
        &["doesn't satisfy `Mute: Handle<_>`", "the trait `Handle` must be implemented"],
    ),
    (
        "a_child_with_an_output",
        "let _ = cordial::ChildSpec::task(\"five\", || async { 5 });",
        &["a process without a handle cannot output `{integer}`"],
    ),
    (
        "a_service_that_is_none",
        "async fn run<L: cordial_http::Listener>(l: L) { let _ = cordial_http::serve(l, cordial_http::shared(NoError)).await; }",
        &["the trait bound `NoError: tower_service::Service<", "required by a bound in `serve`"],
    ),
    (
        "a_dropped_task",
        "#![deny(unused_must_use)] Task::spawn(async {});",
        &["dropping a Task shuts it down; use Task::start for fire-and-forget"],
    ),
];

#[test]
fn the_first_mistakes_get_a_plain_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_errors");
    fs::create_dir_all(package.join("src/bin")).unwrap();
    let manifest = format!(
        "[package]\nname = \"compile-errors\"\nedition = \"2024\"\n[dependencies]\ncordial = {{ path = {root:?} }}\n\
         cordial-http = {{ path = {:?} }}\n[workspace]\n",
        root.join("../cordial-http")
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("../../Cargo.lock"), package.join("Cargo.lock")).unwrap();
    for (name, statement, _) in CASES {
        let (attribute, statement) = match statement.split_once("] ") {
            Some((attribute, statement)) if attribute.starts_with("#!") => (format!("{attribute}]"), statement),
            _ => (String::new(), *statement),
        };
        let program = format!(
            "{attribute}\nuse cordial::Task;\n#[allow(dead_code)]\nstruct NoError;\nfn main() {{ {statement} }}\n"
        );
        fs::write(package.join(format!("src/bin/{name}.rs")), program).unwrap();
    }
    for (name, statement, expected) in CASES {
        let checked = Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--offline", "--bin", name])
            .arg("--manifest-path")
            .arg(package.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(package.join("target"))
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&checked.stderr);
        assert!(!checked.status.success(), "{statement} compiles");
        for text in *expected {
            assert!(message.contains(text), "{statement}: the message has not {text:?}:\n{message}");
        }
    }
}
