//! Real child processes: this test program starts itself as one.
//!
//! It has no test harness, because a harness would write into the pipe that parent and child
//! speak over: `main` runs the tests one after the other and reports as a harness would.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kernel::clock::SystemClock;
use kernel::{Code, Item, Items, Value, codes};
use node::testing::{context_with, scope, services};
use node::{CodeHost, CodeMode, CodeOutcome, CodeRequest, NodeError, Services};
use sandbox::{CodePool, SandboxSettings};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const TESTS: &[(&str, fn())] = &[
    ("a_script_sees_its_items_and_returns_a_value", a_script_sees_its_items_and_returns_a_value),
    ("numbers_and_odd_texts_survive_both_ways", numbers_and_odd_texts_survive_both_ways),
    ("a_script_runs_once_per_item_in_one_runtime", a_script_runs_once_per_item_in_one_runtime),
    ("nothing_outlives_a_run", nothing_outlives_a_run),
    ("other_nodes_are_seen_when_asked_for", other_nodes_are_seen_when_asked_for),
    ("a_thrown_error_comes_with_its_line", a_thrown_error_comes_with_its_line),
    ("an_endless_loop_ends_at_the_deadline", an_endless_loop_ends_at_the_deadline),
    ("a_memory_bomb_is_stopped", a_memory_bomb_is_stopped),
    ("deep_recursion_is_stopped", deep_recursion_is_stopped),
    ("a_child_that_dies_costs_one_run_only", a_child_that_dies_costs_one_run_only),
    ("a_hanging_child_is_killed_at_the_deadline", a_hanging_child_is_killed_at_the_deadline),
    ("cancelling_ends_the_run_at_once", cancelling_ends_the_run_at_once),
    ("an_enormous_outcome_is_refused", an_enormous_outcome_is_refused),
    ("workspaces_never_share_a_child", workspaces_never_share_a_child),
    ("more_runs_than_children_wait_their_turn", more_runs_than_children_wait_their_turn),
    ("children_die_with_the_pool", children_die_with_the_pool),
    ("the_wall_stands", the_wall_stands),
    ("a_child_is_kept_for_the_next_run", a_child_is_kept_for_the_next_run),
    ("the_code_node_makes_items_of_what_code_returns", the_code_node_makes_items),
    ("the_code_node_runs_for_each_item", the_code_node_runs_for_each_item),
    ("the_code_node_refuses_wrong_shapes", the_code_node_refuses_wrong_shapes),
];

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("code-host") => return sandbox::child_main(),
        // Children that misbehave before they speak.
        Some("dies") => return ExitCode::from(3),
        Some("hangs") => loop {
            std::thread::park();
        },
        _ => {}
    }
    let wanted = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let (mut passed, mut failed, mut filtered) = (0, 0, 0);
    for (name, test) in TESTS {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            filtered += 1;
        } else if std::panic::catch_unwind(test).is_ok() {
            passed += 1;
            report(&format!("test {name} ... ok"));
        } else {
            failed += 1;
            report(&format!("test {name} ... FAILED"));
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    report(&format!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; \
         {filtered} filtered out"
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "this is the test harness")]
fn report(line: &str) {
    println!("{line}");
}

/// Runs it to its end, and to the end of the children it has left behind: the next test counts its own.
fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.unwrap().block_on(work);
    while !children().is_empty() {
        std::thread::yield_now();
    }
    done
}

fn settings(argument: &str) -> SandboxSettings {
    SandboxSettings::new(std::env::current_exe().unwrap(), vec![argument.to_owned()])
}

fn pool_of(settings: SandboxSettings) -> CodePool {
    CodePool::new(settings, Arc::new(SystemClock)).unwrap()
}

fn pool() -> CodePool {
    pool_of(settings("code-host"))
}

fn items(values: &[Value]) -> Items {
    Arc::new(values.iter().map(|value| Item::new(value.as_object().unwrap().clone())).collect())
}

fn request(code: &str, values: &[Value]) -> CodeRequest {
    let items = items(values);
    let scope = scope(std::slice::from_ref(&items));
    CodeRequest {
        workspace: scope.workspace,
        code: code.to_owned(),
        mode: CodeMode::Once,
        globals: Vec::new(),
        items,
        scope,
        timeout: Duration::from_secs(20),
        cancel: CancellationToken::new(),
    }
}

async fn run(pool: &CodePool, code: &str) -> Result<CodeOutcome, NodeError> {
    pool.run(request(code, &[json!({ "n": 1 }), json!({ "n": 2 })])).await
}

async fn value(pool: &CodePool, code: &str) -> Value {
    run(pool, code).await.unwrap().value
}

async fn refused(pool: &CodePool, code: &str) -> (Code, String) {
    let problem = run(pool, code).await.unwrap_err().problem();
    (problem.code, problem.detail)
}

fn a_script_sees_its_items_and_returns_a_value() {
    wait(async {
        let pool = pool();
        let outcome = run(
            &pool,
            "console.log('seen', items.length); console.warn({ a: 1 });
             return items.map(item => ({ json: { double: item.json.n * 2, zone: $now.zoneName } }))",
        )
        .await
        .unwrap();
        assert_eq!(
            outcome.value,
            json!([{ "json": { "double": 2, "zone": "Europe/Berlin" } },
                   { "json": { "double": 4, "zone": "Europe/Berlin" } }])
        );
        let lines: Vec<_> =
            outcome.console.iter().map(|line| (line.level.as_str(), line.text.as_str())).collect();
        assert_eq!(lines, [("log", "seen 2"), ("warn", r#"{"a":1}"#)]);
        let mut request = request("return greeting + ' ' + $workflow.name", &[]);
        request.globals = vec![("greeting".to_owned(), json!("hello"))];
        assert_eq!(pool.run(request).await.unwrap().value, json!("hello Test"));
        assert_eq!(value(&pool, "").await, Value::Null);
    });
}

fn numbers_and_odd_texts_survive_both_ways() {
    wait(async {
        let pool = pool();
        let exact = kernel::json::parse_str("9007199254740993").unwrap();
        let given = json!({ "exact": exact, "text": "\0 \u{1F600} \u{2028}", "empty": [{}, []] });
        let outcome = pool.run(request("return items[0].json", std::slice::from_ref(&given))).await;
        let value = outcome.unwrap().value;
        assert_eq!(value["text"], given["text"]);
        assert_eq!(value["empty"], given["empty"]);
        assert!(!value["exact"].is_null());
    });
}

fn a_script_runs_once_per_item_in_one_runtime() {
    wait(async {
        let mut request = request(
            "return { n: $json.n, at: $itemIndex }",
            &[json!({ "n": 5 }), json!({ "n": 6 })],
        );
        request.mode = CodeMode::EachItem;
        let outcome = pool().run(request).await.unwrap();
        assert_eq!(outcome.value, json!([{ "n": 5, "at": 0 }, { "n": 6, "at": 1 }]));
    });
}

fn nothing_outlives_a_run() {
    wait(async {
        let pool = pool();
        // Whether a script may set these at all does not matter here.
        let leave = "try { globalThis.left = 1 } catch {} try { [].__proto__.left = 2 } catch {}";
        run(&pool, leave).await.unwrap();
        let seen = value(&pool, "return [typeof left, typeof [].left]").await;
        assert_eq!(seen, json!(["undefined", "undefined"]));
    });
}

fn other_nodes_are_seen_when_asked_for() {
    wait(async {
        let mut request =
            request("return $('Before').all().map(item => item.json.x)", &[json!({})]);
        let before: Arc<str> = "Before".into();
        let this: Arc<str> = "Code".into();
        let names = expr::Names {
            names: vec![before.clone(), this.clone()],
            index: [(before, 0), (this, 1)].into(),
            parameters: vec![Arc::new(json!({})), Arc::new(json!({}))],
            targets: vec![vec![vec![1]], vec![]],
        };
        let ran = expr::NodeRun {
            outputs: vec![items(&[json!({ "x": 1 }), json!({ "x": 2 })])],
            sources: Vec::new().into(),
        };
        request.scope.node = 1;
        request.scope.sources = vec![Some(expr::Source { node: 0, run: 0, output: 0 })].into();
        request.scope.data = Arc::new(expr::RunData {
            names: Arc::new(names),
            nodes: vec![
                Arc::new(expr::NodeData { runs: vec![Arc::new(ran)] }),
                Arc::new(expr::NodeData::default()),
            ],
        });
        let renamed = "const at = $; return at('Before').first().json.x".to_owned();
        let renamed = CodeRequest { code: renamed, ..request.clone() };
        assert_eq!(pool().run(request).await.unwrap().value, json!([1, 2]));
        assert_eq!(pool().run(renamed).await.unwrap().value, json!(1));
    });
}

fn a_thrown_error_comes_with_its_line() {
    wait(async {
        let pool = pool();
        let (code, detail) = refused(&pool, "const a = 1\nconst b = null\nreturn b.c").await;
        assert_eq!(code, codes::CODE_THREW);
        assert!(detail.contains("TypeError") && detail.contains("line 3"), "{detail}");
        let (code, detail) = refused(&pool, "throw new RangeError('too far')").await;
        assert_eq!(code, codes::CODE_THREW);
        assert!(detail.contains("too far") && detail.contains("line 1"), "{detail}");
        let (code, detail) = refused(&pool, "return 1\n}}}").await;
        assert_eq!(code, codes::CODE_INVALID);
        assert!(detail.contains("does not parse"), "{detail}");
    });
}

fn an_endless_loop_ends_at_the_deadline() {
    wait(async {
        let pool = pool();
        let mut request = request("while (true) {}", &[]);
        request.timeout = Duration::from_millis(100);
        let problem = pool.run(request).await.unwrap_err().problem();
        assert_eq!(problem.code, codes::CODE_TIMEOUT);
        assert!(problem.detail.contains("100 ms"), "{}", problem.detail);
        assert_eq!(value(&pool, "return 1").await, json!(1));
    });
}

fn a_memory_bomb_is_stopped() {
    wait(async {
        let pool = pool();
        for bomb in [
            "const all = []; while (true) all.push(new Array(1000).fill('x'))",
            "const all = []; while (true) all.push('x'.repeat(1e6) + Math.random())",
        ] {
            let (code, detail) = refused(&pool, bomb).await;
            assert_eq!(code, codes::CODE_MEMORY, "{detail}");
        }
        assert_eq!(value(&pool, "return 1").await, json!(1));
    });
}

fn deep_recursion_is_stopped() {
    wait(async {
        let pool = pool();
        let (code, _) = refused(&pool, "function f() { return f() + 1 } return f()").await;
        assert_eq!(code, codes::CODE_THREW);
        let deep = "let a = []; for (let i = 0; i < 5000; i++) a = [a]; return a";
        let (code, detail) = refused(&pool, deep).await;
        assert_eq!(code, codes::CODE_THREW, "{detail}");
        assert_eq!(value(&pool, "return 1").await, json!(1));
    });
}

fn a_child_that_dies_costs_one_run_only() {
    wait(async {
        let (code, detail) = refused(&pool_of(settings("dies")), "return 1").await;
        assert_eq!(code, codes::CODE_CRASHED);
        assert!(detail.contains("exit code 3"), "{detail}");
        let pool = pool();
        assert_eq!(value(&pool, "return 1").await, json!(1));
        kill_children();
        assert_eq!(value(&pool, "return 2").await, json!(2));
    });
}

/// Kills this process's children and waits until they are gone or zombies.
fn kill_children() {
    for child in children() {
        let child = nix::unistd::Pid::from_raw(child);
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    while children().iter().any(|child| state(*child) != Some('Z')) {
        std::thread::yield_now();
    }
}

fn children() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    tasks
        .filter_map(|task| of_task(task.ok()?).ok())
        .flat_map(|text| text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .filter(|child| !matches!(state(*child), None | Some('Z')))
        .collect()
}

fn state(process: i32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

fn a_hanging_child_is_killed_at_the_deadline() {
    wait(async {
        let pool = pool_of(settings("hangs"));
        let mut request = request("return 1", &[]);
        request.timeout = Duration::from_millis(50);
        let problem = pool.run(request).await.unwrap_err().problem();
        assert_eq!(problem.code, codes::CODE_TIMEOUT);
        assert!(children().is_empty());
    });
}

fn cancelling_ends_the_run_at_once() {
    wait(async {
        let pool = pool();
        let request = request("while (true) {}", &[]);
        let cancel = request.cancel.clone();
        #[expect(clippy::disallowed_methods, reason = "the test waits for it below")]
        let running = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(request).await }
        });
        while children().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
        assert_eq!(running.await.unwrap().unwrap_err(), NodeError::Cancelled);
    });
}

fn an_enormous_outcome_is_refused() {
    wait(async {
        let pool = pool_of(SandboxSettings { outcome_bytes_max: 1_000, ..settings("code-host") });
        let (code, _) = refused(&pool, "return 'x'.repeat(2000)").await;
        assert_eq!(code, codes::NODE_LIMIT);
        assert_eq!(value(&pool, "return 'x'.repeat(500).length").await, json!(500));
    });
}

fn workspaces_never_share_a_child() {
    wait(async {
        let pool = pool();
        value(&pool, "return 1").await;
        let first = children();
        let mut request = request("return 2", &[]);
        request.workspace = kernel::WorkspaceId::new(&SystemClock, &kernel::clock::SystemDice);
        pool.run(request).await.unwrap();
        let both = children();
        assert_eq!((first.len(), both.len()), (1, 2));
        value(&pool, "return 3").await;
        assert_eq!(children().len(), 2, "the first child was used again");
    });
}

fn more_runs_than_children_wait_their_turn() {
    wait(async {
        let pool = pool_of(SandboxSettings { children_max: 2, ..settings("code-host") });
        let code = "let n = 0; for (let i = 0; i < 1e5; i++) n += i; return n";
        #[expect(clippy::disallowed_methods, reason = "the test waits for them below")]
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { value(&pool, code).await })
            })
            .collect();
        for run in runs {
            assert_eq!(run.await.unwrap(), json!(4_999_950_000_u64));
        }
        assert!(children().len() <= 2);
    });
}

fn children_die_with_the_pool() {
    wait(async {
        let pool = pool();
        value(&pool, "return 1").await;
        let child = children()[0];
        drop(pool);
        while !matches!(state(child), None | Some('Z')) {
            tokio::task::yield_now().await;
        }
    });
}

/// Looks at a warm child from outside: what it was started with and may still do.
fn the_wall_stands() {
    wait(async {
        let pool = pool();
        value(&pool, "return 1").await;
        let child = format!("/proc/{}", children()[0]);
        let status = std::fs::read_to_string(Path::new(&child).join("status")).unwrap();
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.contains(line), "{line} is not in\n{status}");
        }
        assert_eq!(std::fs::read(Path::new(&child).join("environ")).unwrap(), b"");
        let limits = std::fs::read_to_string(Path::new(&child).join("limits")).unwrap();
        for (limit, value) in [
            ("Max core file size", "0"),
            ("Max open files", "16"),
            ("Max file size", "0"),
            ("Max address space", "4294967296"),
        ] {
            let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
            assert_eq!(line[limit.len()..].split_whitespace().next(), Some(value), "{line}");
        }
        let files = std::fs::read_dir(Path::new(&child).join("fd")).unwrap().count();
        assert_eq!(files, 3, "only standard input, output and error are open");
        let reach = "return [typeof require, typeof process, typeof fetch, typeof std, typeof os]";
        assert_eq!(value(&pool, reach).await, json!(vec!["undefined"; 5]));
    });
}

fn a_child_is_kept_for_the_next_run() {
    wait(async {
        let pool = pool();
        value(&pool, "return 1").await;
        let first = children();
        assert_eq!(first.len(), 1);
        for _ in 0..10 {
            value(&pool, "return items.length").await;
            assert_eq!(children(), first, "no process was started, none ended");
        }
    });
}

/// Runs `core.code` as the engine does.
async fn code_node(parameters: Value, values: &[Value]) -> Result<Items, NodeError> {
    let registry = nodes::registry();
    let prepare = registry.find("core.code").unwrap().prepare;
    let node = prepare(parameters.as_object().unwrap()).unwrap();
    let inputs = [items(values)];
    let services = Services { code: Arc::new(pool()), ..services() };
    let cx = context_with(&inputs, services);
    let outputs = node.run_all(&cx, Value::Null, &inputs).await?;
    Ok(outputs[0].clone())
}

fn the_code_node_makes_items() {
    wait(async {
        let code = "return items.filter(item => item.json.n > 1)";
        let given = [json!({ "n": 1 }), json!({ "n": 2 })];
        let out = code_node(json!({ "code": code }), &given).await.unwrap();
        assert_eq!((out.len(), &out[0].json["n"]), (1, &json!(2)));
        assert_eq!(out[0].pairing.sources()[0].item, 1, "what passes on knows where it came from");
        let code = "return [{ a: $input.first().json.n }, { a: 2 }]";
        let out = code_node(json!({ "code": code }), &[json!({ "n": 1 })]).await.unwrap();
        assert_eq!((out.len(), &out[0].json["a"]), (2, &json!(1)));
        assert_eq!(out[1].pairing.sources()[0].item, 0, "one input item made both");
        let out = code_node(json!({ "code": "return null" }), &[json!({})]).await.unwrap();
        assert!(out.is_empty());
    });
}

fn the_code_node_runs_for_each_item() {
    wait(async {
        let code = "if ($json.n === 2) return null; return { n: item.json.n * 10 }";
        let parameters = json!({ "run": "each_item", "code": code });
        let given = [json!({ "n": 1 }), json!({ "n": 2 }), json!({ "n": 3 })];
        let out = code_node(parameters, &given).await.unwrap();
        let numbers: Vec<_> = out.iter().map(|item| item.json["n"].clone()).collect();
        assert_eq!(numbers, [json!(10), json!(30)]);
        assert_eq!(out[1].pairing.sources()[0].item, 2);
    });
}

fn the_code_node_refuses_wrong_shapes() {
    wait(async {
        for (parameters, word) in [
            (json!({ "code": "return 5" }), "a number"),
            (json!({ "code": "return [1]" }), "Item 0"),
            (json!({ "code": "return [{ json: {}, x: 1 }]" }), "\"x\""),
            (json!({ "code": "return [{}]", "run": "each_item" }), "item 0"),
        ] {
            let problem = code_node(parameters, &[json!({})]).await.unwrap_err().problem();
            assert_eq!(problem.code, codes::NODE_FAILED);
            assert!(problem.detail.contains(word), "{}", problem.detail);
        }
        let parameters = json!({ "code": "while (true) {}", "timeout": "50ms" });
        let problem = code_node(parameters, &[json!({})]).await.unwrap_err().problem();
        assert_eq!(problem.code, codes::CODE_TIMEOUT);
    });
}
