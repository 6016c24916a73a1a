//! The order of modules: tables of which module may import which, and no import cycles.
//!
//! A table belongs to a folder. Each row holds modules of that folder, and a module may import only modules of earlier rows. A folder
//! counts as one module unless its files have rows of their own (`stop/token`). An index may re-export everything, and is imported by
//! its submodules only if it has a row of its own (`mod`, or the name of the folder).
//!
//! Files that import each other are allowed only as a group: at most three files of one folder, in one row, joined by `+`. The index
//! of the folder names each of them in a paragraph that says why there is a "cycle".

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Import, Sources};

/// The order of the modules of one folder.
pub(crate) struct Order {
    /// The folder below `crates`.
    pub(crate) folder: &'static str,
    pub(crate) rows: &'static [&'static str],
}

#[rustfmt::skip]
pub(crate) const ORDERS: &[Order] = &[
    Order { folder: "cordial-sched/src", rows: &[
        "spin_lock", "sync thread_limit", "thread unwind coarse_clock", "priority tick_clock", "reservation free_list", "table", "task statistics", "simulation/queue", "timeout idle",
        "io_watch threads",
        "remote", "pool", "worker sysmon", "executor", "simulation",
    ] },
    Order { folder: "cordial-sched/src/task", rows: &[
        "alarm turns future join slot", "header", "runnable + schedule + kept_headers", "waker task_ref allocator",
    ] },
    Order { folder: "cordial-sched/src/executor", rows: &[
        "error options dropped_timers hook_calls", "hooks + handle", "alarm io_threads pool_threads timer timer_thread wait_timeout",
        "join_handle", "prepare start",
    ] },
    Order { folder: "cordial/src", rows: &[
        "pid sorted_map", "exit", "backoff error timeout unwind", "telemetry", "process", "inherited", "task",
        "stream task_set", "supervisor", "server", "testing",
    ] },
    Order { folder: "cordial/src/process", rows: &[
        "discard", "connection groups kind lineage outcome scope serving shutdown shutdown_notice spares supervision", "crashes details report shutdown_state", "child_slot guardian", "entry",
        "signal", "runtime", "current exit_signal links monitors ownership requests traps wait_limit", "task_span", "process_future", "spawn",
        "inspect stop", "inspector", "program",
    ] },
    Order { folder: "cordial/src/task", rows: &[
        "deadline join", "large_output", "handle", "start", "builder", "wait", "shutdown", "await_many yield_many",
    ] },
    Order { folder: "cordial/src/stream", rows: &[
        "failure kept_input progress retry try_source", "options", "window spawner", "completions item_future", "deadlines", "in_flight", "active",
        "async_stream", "constructors poll setters", "consume",
    ] },
    Order { folder: "cordial/src/supervisor", rows: &[
        "restart clock due_children intensity stop_reason kill_on_drop incarnation child_counts start_watch",
        "restart_backoff start_reply", "factory strategy events exit_signals settle", "startable",
        "spawn serve nested server_child", "spec", "tasks/child_limit tasks/builder tasks/waiting_child", "tasks/restartable",
        "tasks/children tasks/start_restartable", "tasks/shared tasks/stop", "tasks/reservation tasks/server tasks/handle",
        "tasks/hand_over tasks/start_child tasks/start", "tasks/stream", "tree/info tree/inbox tree/builder tree/delayed_starts", "tree/call", "tree/child",
        "tree/child_infos", "tree/shared", "tree/exits tree/children", "tree/state", "tree/start_child tree/stop", "tree/restarts tree/delayed_outcome", "tree/handle_call tree/first_start",
        "tree/server", "tree/handle", "tree/start",
    ] },
    Order { folder: "cordial/src/inherited", rows: &["in_scope", "key within"] },
    Order { folder: "cordial/src/task_set", rows: &["result_queue", "set", "outcomes"] },
    Order { folder: "cordial/src/server", rows: &[
        "factory_owner lanes requested room timers unanswered", "sending", "queue", "batch", "mailbox", "laters reply", "envelope + context + shared", "behavior", "cycle next_message polling", "message", "call_waker handling", "call_cell", "call call_handling cast",
        "run", "child", "builder", "handle",
    ] },
    Order { folder: "cordial-http/src", rows: &["hyper_service listener make task_layer", "serve"] },
    Order { folder: "cordial-http/src/serve", rows: &[
        "options polled_when_woken client_limits process_list", "client_io events stream_executor", "connection serving", "accept", "builder",
    ] },
    Order { folder: "cordial-isolate/src", rows: &["codec kernel unwind", "descendants function", "dispatch", "frame functions", "worker", "init", "pool"] },
    Order { folder: "cordial-isolate/src/worker", rows: &["limits none role", "serve"] },
    Order { folder: "cordial-isolate/src/pool", rows: &[
        "call clock config error output statistics", "oom_kills os_process", "shared", "cause events metrics none process read_statistics run_call", "driver", "start", "handle", "builder",
    ] },
    Order { folder: "cordial-isolate/src/dispatch", rows: &["carried unserved", "outcome runner"] },
    Order { folder: "cordial-nats/src", rows: &[
        "names unwind", "connect_error wire", "options waiters", "net", "attempt failure streams submit_error unknown_job", "cluster", "dead_letters job nodes objects pieces", "cancel_on_drop",
        "submit", "call stream", "worker",
    ] },
    Order { folder: "cordial-nats/src/net", rows: &["cancellation credentials net_error permission_errors reply_subject", "keep_alive", "thread", "connection", "api open"] },
    Order { folder: "cordial-nats/src/worker", rows: &["node settings turns", "received_job", "delivery", "claim pull_consumer run_call", "run_job", "serve", "builder"] },
    Order { folder: "cordial-observer/src", rows: &[
        "clock error program_code view", "access secret source", "log_lines", "collector", "answer", "shared", "server", "observer", "builder",
    ] },
    Order { folder: "cordial-observer/src/collector", rows: &[
        "audit_log crash_log history meter server_totals stream_rates watched", "warnings", "state",
    ] },
    Order { folder: "cordial-observer/src/answer", rows: &[
        "alike filter groups metrics rows", "long_polls tasks", "overview tree", "dump task_detail",
    ] },
    Order { folder: "cordial-observer/src/collector/warnings", rows: &[
        "warning_of", "balance crash_loop leak long_poll mailbox restarts wake_storm", "warner",
    ] },
    Order { folder: "cordial-observer/src/server", rows: &[
        "assets connection_slots reply signals socket", "client_io unix", "accept events", "session", "actions guard", "routes", "thread",
    ] },
    Order { folder: "cordial-observer/src/source", rows: &["own_process places texts", "exits row", "polls", "scan"] },
    Order { folder: "cordial-observer/src/view", rows: &[
        "action audit dropped list log_line long_poll mailbox point reference stream supervision task_set warning worker",
        "crash rights task", "connection overview tree", "task_detail tick", "failure",
    ] },
    Order { folder: "cordial-cli/src", rows: &[
        "text/display text/file_name text/io_error text/shell_quote", "text/build_error", "text",
        "system/argument system/exit system/limit_change system/program system/screen_size system/stop_signal", "system/spawn_config", "system/unix system/windows", "system", "exit_reason", "blocking_io",
        "stop/token", "stop/halt", "stop", "pipe/separator pipe/block", "pipe/cutter pipe/input", "pipe/file_blocks", "pipe/reader", "pipe", "item", "item_failure command_size child_times",
        "input/grouping input/lists input/record_count input/separator input/words", "input/read_ahead",
        "input/splitter", "input/value_edit", "input/source", "input/sources", "input", "args/values", "args/help args/concurrency args/other_options",
        "args/launch_options args/item_options args/pipe_options args/top_options", "args/remote_options args/fleet_options", "args/attached",
        "args/options",
        "args/generate",
        "args",
        "output/budget output/std_stream",
        "output/capture",
        "output/print_queue",
        "output/lines",
        "output",
        "outcome",
        "template/command_line template/path_part template/shell_arguments template/shell_check template/shell_context",
        "template/placeholder template/shell_words template/bash_syntax", "template/shell template/shell_closed template/shell_expressions", "template/shell_flow", "template/syntax", "template/word template/shell_scan",
        "template/shell_line",
        "template/command_template",
        "template",
        "records/item_text",
        "records/past",
        "records/joblog records/results",
        "records/run_records",
        "records",
        "remote/host remote/script", "remote/files remote/pool remote/probe", "remote/commands", "remote/line_size", "remote",
        "fleet/silence", "fleet/archiver fleet/command fleet/connect", "fleet/places", "fleet/files fleet/worker_watch", "fleet/run_command", "fleet/worker", "fleet",
        "launch/throttle launch/slot_limit launch/feeder launch/fleet_files",
        "launch/request",
        "launch/output_reader", "launch/fleet_output", "launch/item_variables",
        "launch/child launch/fleet_child",
        "launch/workers",
        "launch/launcher",
        "launch",
        "report/copy report/counted_output report/failure_lines report/progress report/summary",
        "report/json",
        "report/printer",
        "report",
        "map/arguments map/questions map/remote map/shell_operators", "map/command map/fleet map/attempts map/run_state map/block_config map/block_source",
        "map/config map/observer",
        "map/pending",
        "map/pipeline",
        "map/adjust",
        "map/lifecycle", "map",
        "top/address top/question top/words", "top/client top/state", "top/fetch", "top/draw/scrolled top/draw/styles top/draw/width", "top/draw/help top/draw/overview top/draw/tasks",
        "top/draw/crashes top/draw/detail top/draw/question top/draw/streams top/draw/tree", "top/draw/screen", "top/draw", "top/run", "top",
    ] },
];

/// A broken law, with the file below `src` and the line.
pub(crate) type Broken = (String, usize, String);

/// Checks the files of one crate against the orders of its folders.
pub(crate) fn broken_order(name: &str, orders: &[Order], sources: &Sources) -> Vec<Broken> {
    let imports = sources.imports();
    let mut broken = Vec::new();
    for order in orders {
        if let Some(folder) = order.folder.strip_prefix(name).and_then(|rest| rest.strip_prefix("/src")) {
            let folder = folder.trim_start_matches('/');
            order.check(folder, sources, &imports, &mut broken);
        }
    }
    broken
}

impl Order {
    fn check(&self, folder: &str, sources: &Sources, imports: &[Import], broken: &mut Vec<Broken>) {
        for file in sources.files() {
            if let Some(module) = below(folder, file)
                && self.row(&module).is_none()
                && !sources.is_index(file)
            {
                broken.push((
                    file.to_owned(),
                    1,
                    format!("the module `{module}` is not in the order of {}", self.folder),
                ));
            }
        }
        for name in self.rows.iter().flat_map(|row| names(row)) {
            let is_there =
                sources.files().filter_map(|file| below(folder, file)).any(|module| is_or_contains(name, &module));
            if !is_there {
                let file = if folder.is_empty() { "lib.rs".to_owned() } else { format!("{folder}/mod.rs") };
                broken.push((
                    file,
                    1,
                    format!("the order of {} has a row for `{name}`, which does not exist", self.folder),
                ));
            }
        }
        for import in imports {
            let (Some(from), Some(to_module)) = (below(folder, &import.from), below(folder, &import.to)) else {
                continue;
            };
            let to_row = self.row(&to_module);
            let Some((from_row, from)) = self.row(&from) else { continue };
            let problem = match to_row {
                Some((_, to)) if to == from => continue,
                Some((to_row, _)) if to_row < from_row => continue,
                Some((to_row, _)) if to_row == from_row && self.rows[from_row].contains('+') => continue,
                Some((_, to)) => {
                    format!("`{from}` imports `{to}`, which is not in an earlier row of the order of {}", self.folder)
                }
                None if !sources.is_index(&import.to) => continue, // reported above
                None => {
                    format!("`{from}` imports an item that {} defines: move it into a module", import.to)
                }
            };
            broken.push((import.from.clone(), import.line, problem));
        }
    }

    /// The row of a module, and the longest name in that row that covers the module.
    fn row(&self, module: &str) -> Option<(usize, &'static str)> {
        let rows = self
            .rows
            .iter()
            .enumerate()
            .flat_map(|(row, names_of_row)| names(names_of_row).map(move |name| (row, name)));
        rows.filter(|(_, name)| is_or_contains(name, module)).max_by_key(|(_, name)| name.len())
    }

    /// Returns the file of the first module below `crates`, without its ending, and an import of the last module, which the first one must
    /// not have, with the report of that import.
    pub(crate) fn forbidden_import(&self) -> (String, String, String) {
        let mut all = self.rows.iter().flat_map(|row| names(row));
        let (first, last) = (all.next().expect("a table has rows"), all.last().expect("it has two modules"));
        let path = format!("{}/{last}", self.folder.split_once("/src").expect("a folder of sources").1);
        let import = format!("use crate{}::Item;", path.replace("//", "/").replace('/', "::"));
        let report =
            format!("`{first}` imports `{last}`, which is not in an earlier row of the order of {}.", self.folder);
        (format!("crates/{}/{first}", self.folder), import, report)
    }

    fn groups(&self) -> impl Iterator<Item = BTreeSet<&'static str>> {
        self.rows.iter().filter(|row| row.contains('+')).map(|row| names(row).collect())
    }
}

fn names<'a>(row: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    row.split([' ', '+']).filter(|name| !name.is_empty())
}

fn is_or_contains(name: &str, module: &str) -> bool {
    module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path of a file below a folder, without its ending. The index of the folder itself is `mod`, that of a subfolder `name`.
fn below(folder: &str, file: &str) -> Option<String> {
    let file = if folder.is_empty() { file } else { file.strip_prefix(folder)?.strip_prefix('/')? };
    let module = file.strip_suffix(".rs")?;
    let module = if ["lib", "main"].contains(&module) { "mod" } else { module };
    Some(module.strip_suffix("/mod").unwrap_or(module).to_owned())
}

/// Finds the import cycles between the files of one crate, except those that are allowed as groups. `index` returns the
/// text of a folder's index.
pub(crate) fn broken_cycles<'a>(
    name: &str,
    orders: &[Order],
    sources: &Sources,
    index: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Broken> {
    let imports = &sources.imports();
    let mut broken = Vec::new();
    let reachable = reachable(sources, imports);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for file in sources.files() {
        let cycle: BTreeSet<&str> = reachable[file].iter().copied().filter(|to| reachable[to].contains(file)).collect();
        if cycle.len() < 2 || !seen.insert(file) {
            continue;
        }
        seen.extend(&cycle);
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let modules: Option<BTreeSet<String>> =
            cycle.iter().map(|file| below(folder, file).filter(|m| !m.contains('/'))).collect();
        let shown = cycle.iter().copied().collect::<Vec<_>>().join(", ");
        let problem = match modules {
            None => "a cycle of imports between folders",
            Some(modules) if modules.len() > 3 => "a cycle of imports with more than three files",
            Some(modules) if !is_group(orders, name, folder, &modules) => {
                "a cycle of imports that is no group in the order of its folder"
            }
            Some(modules) if !says_why(index(folder).unwrap_or_default(), &modules) => {
                "the index does not name these files in a paragraph that says why there is a cycle"
            }
            Some(_) => continue,
        };
        let within =
            imports.iter().filter(|import| [&import.from, &import.to].iter().all(|file| cycle.contains(&***file)));
        let edges: String =
            within.map(|import| format!("\n    {}:{} imports {}", import.from, import.line, import.to)).collect();
        broken.push((file.to_owned(), 1, format!("{problem}: {shown}{edges}")));
    }
    broken
}

fn is_group(orders: &[Order], name: &str, folder: &str, modules: &BTreeSet<String>) -> bool {
    let folder = format!("{name}/src{}{folder}", if folder.is_empty() { "" } else { "/" });
    let groups = orders.iter().filter(|order| order.folder == folder).flat_map(Order::groups);
    groups.into_iter().any(|group| modules.iter().all(|module| group.contains(&**module)))
}

/// Returns whether a paragraph of the index contains "cycle" and the name of each module in backticks.
fn says_why(index: &str, modules: &BTreeSet<String>) -> bool {
    index.split("\n//!\n").any(|paragraph| {
        paragraph.contains("cycle")
            && modules.iter().all(|module| {
                [format!("`{module}`"), format!("`{module}.rs`")].iter().any(|name| paragraph.contains(name))
            })
    })
}

/// For each file, all files that it imports, directly or not.
fn reachable<'a>(sources: &'a Sources, imports: &'a [Import]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = sources.files().map(|file| (file, BTreeSet::new())).collect();
    for import in imports {
        direct.entry(&import.from).or_default().insert(&import.to);
    }
    let from = |file| {
        let (mut found, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            open.extend(direct[file].iter().copied().filter(|to| found.insert(*to)));
        }
        found
    };
    direct.keys().map(|file| (*file, from(*file))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &[Order] = &[Order { folder: "one/src", rows: &["a", "b c", "d + e", "f/low", "f"] }];

    /// The first broken law, of a crate in which `file` has this text.
    #[track_caller]
    fn check(file: &str, text: &str, expected: &str) {
        let files = ["lib.rs", "a.rs", "b.rs", "c.rs", "d.rs", "e.rs", "f/mod.rs", "f/low.rs", "f/high.rs"];
        let files = files.into_iter().chain([file]).collect::<BTreeSet<_>>();
        let root = "//! `d` and `e` are a cycle: each creates the other.\npub struct Defined;";
        let texts = files.into_iter().map(|name| {
            (
                name,
                if name == file {
                    text
                } else if name == "lib.rs" {
                    root
                } else {
                    ""
                },
            )
        });
        let broken = {
            let sources = Sources::read(texts);
            [broken_order("one", ORDER, &sources), broken_cycles("one", ORDER, &sources, |_| Some(root))].concat()
        };
        let broken: Vec<String> =
            broken.iter().map(|(file, line, problem)| format!("{file}:{line}: {problem}")).collect();
        if expected.is_empty() {
            assert!(broken.is_empty(), "{text:?} in {file}: {broken:?}");
        } else {
            assert!(
                broken.len() == 1 && broken[0].contains(expected),
                "{text:?} in {file} must report {expected:?}: {broken:?}"
            );
        }
    }

    #[test]
    fn imports_of_earlier_rows_and_within_a_group_are_allowed() {
        check("b.rs", "use crate::a::A;", "");
        check("d.rs", "use super::{a, c::C};\nfn f() { crate::e::g() }", "");
        check("f/high.rs", "use super::low;\nuse crate::e::E;", "");
        check("f/mod.rs", "mod low;\npub use low::Low;\nuse self::low::Other;", "");
    }

    #[test]
    fn every_wrong_import_is_reported() {
        check("a.rs", "\nuse crate::b::B;", "a.rs:2: `a` imports `b`, which is not in an earlier row");
        check("b.rs", "use crate::{a::A, c};", "b.rs:1: `b` imports `c`");
        check("b.rs", "use super::c::C;", "`b` imports `c`");
        check("c.rs", "fn f() {\n    crate::f::low::g()\n}", "c.rs:2: `c` imports `f/low`");
        check("f/low.rs", "use super::high;", "`f/low` imports `f`");
        check("f/high.rs", "use crate::Defined;", "`f` imports an item that lib.rs defines");
        check("new.rs", "", "the module `new` is not in the order of one/src");
    }

    #[test]
    fn every_cycle_is_reported() {
        let files = |texts: &[(&'static str, &'static str)]| {
            let root = [("lib.rs", "//! `d` and `e` are a cycle: why.")];
            Sources::read(root.into_iter().chain(texts.iter().copied()).collect::<Vec<_>>())
        };
        let problem = |orders: &'static [Order], index: &'static str, texts: &[(&'static str, &'static str)]| {
            let broken = broken_cycles("one", orders, &files(texts), |_| Some(index));
            broken.into_iter().map(|(_, _, problem)| problem).collect::<Vec<_>>().join("; ")
        };
        const WHY: &str = "//! `d` and `e` are a cycle: why.";
        let two = [("d.rs", "use crate::e::E;"), ("e.rs", "use crate::d::D;")];
        assert_eq!(problem(ORDER, WHY, &two), "");
        assert!(problem(&[], WHY, &two).starts_with("a cycle of imports that is no group"));
        assert!(problem(ORDER, "//! `d` is fine.", &two).starts_with("the index does not name these files"));
        let folders = [("d.rs", "use crate::x::y::Y;"), ("x/y.rs", "use crate::d::D;"), ("x/mod.rs", "")];
        assert!(problem(ORDER, WHY, &folders).starts_with("a cycle of imports between folders: d.rs, x/y.rs"));
        let four = [
            ("d.rs", "use crate::e::E;"),
            ("e.rs", "use crate::g::G;"),
            ("g.rs", "use crate::h::H;"),
            ("h.rs", "use crate::d::D;"),
        ];
        assert!(problem(ORDER, WHY, &four).starts_with("a cycle of imports with more than three files"));
    }
}
