//! The other commands as processes: `run`, `config`, `doctor`, `migrate`, `bench`.

mod support;

use kernel::{Value, json};
use nix::sys::signal::Signal;
use support::{Folder, Server, complaint, flowforge, output};

const GREET: &str = r#"
format: 1
name: Greet
nodes:
  - { name: Start, type: core.manual }
  - name: Known?
    type: core.if
    parameters: { conditions: { all: [ { left: "={{ $json.name }}", operator: exists } ] } }
  - { name: Text, type: core.set, parameters: { fields: [ { name: text, value: "=Hello {{ $json.name }}" } ] } }
  - { name: Nobody, type: core.stop_and_error, parameters: { message: Nobody to greet } }
connections:
  - Start -> Known?
  - "Known?:true -> Text"
  - "Known?:false -> Nobody"
"#;

fn printed(out: &std::process::Output) -> Value {
    json::parse(&out.stdout).unwrap_or_else(|_| panic!("{}", complaint(out))).value
}

fn at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn a_file_runs_on_a_server_of_its_own_and_beside_a_running_one() {
    let folder = Folder::new("run");
    folder.write("greet.yaml", GREET);
    let arguments = ["run", "greet.yaml", "--data-dir", "data", "--json", "--input"];
    let alone = output(flowforge(&folder).args(arguments).arg(r#"{"name":"Ada"}"#)).await;
    assert!(alone.status.success(), "{}", complaint(&alone));
    let view = printed(&alone);
    assert_eq!(at(&view, "/nodes/Text/0/outputs/0/0/json/text"), "Hello Ada");
    assert_eq!(at(&view, "/nodes/Nobody/0/status"), "skipped");

    let server = Server::up(&folder).await;
    folder.write("input.json", r#"[{"json":{"name":"Grace"}}]"#);
    let beside = output(flowforge(&folder).args(arguments).arg("@input.json")).await;
    assert!(beside.status.success(), "{}", complaint(&beside));
    let view = printed(&beside);
    assert_eq!(at(&view, "/nodes/Text/0/outputs/0/0/json/text"), "Hello Grace");
    let keys: Vec<&String> = view.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["run_id", "status", "error", "duration_ms", "nodes"]);

    let key = server.owner_key();
    let path = format!("/v1/runs/{}", at(&view, "/run_id"));
    let (status, _) = server.call(reqwest::Method::GET, &path, Some(&key), None).await;
    assert_eq!(status, 200, "the run is the server's");
    server.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_run_that_fails_is_printed_and_fails_the_command() {
    let folder = Folder::new("run-fails");
    folder.write("greet.yaml", GREET);
    let mut command = flowforge(&folder);
    let failed = output(command.args(["run", "greet.yaml", "--data-dir", "data", "--json"])).await;
    assert_eq!(failed.status.code(), Some(1));
    let view = printed(&failed);
    assert_eq!((at(&view, "/status"), at(&view, "/error/node")), ("failed", "Nobody"));
    assert_eq!(at(&view, "/error/code"), "run.stopped");
    assert!(at(&view, "/error/message").contains("Nobody to greet"), "{view}");
}

#[tokio::test]
async fn a_file_whose_workflow_keeps_no_runs_is_shown_all_the_same() {
    let folder = Folder::new("run-kept");
    let settings = "settings: { keep_runs: { succeeded: none, failed: none } }\nnodes:";
    folder.write("greet.yaml", &GREET.replacen("nodes:", settings, 1));
    let mut command = flowforge(&folder);
    command.args(["run", "greet.yaml", "--data-dir", "data", "--json", "--input"]);
    let shown = output(command.arg(r#"{"name":"Ada"}"#)).await;
    assert!(shown.status.success(), "{}", complaint(&shown));
    assert_eq!(at(&printed(&shown), "/status"), "succeeded");
}

#[tokio::test]
async fn a_file_that_cannot_run_is_refused_with_its_place() {
    let folder = Folder::new("run-refused");
    let broken = GREET.replace("core.stop_and_error", "core.stop_and_eror");
    folder.write("broken.yaml", &broken);
    let mut command = flowforge(&folder);
    let refused = output(command.args(["run", "broken.yaml", "--data-dir", "data"])).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = complaint(&refused);
    assert!(said.contains("core.stop_and_eror") && said.contains("core.stop_and_error"), "{said}");
    assert!(refused.stdout.is_empty());

    let mut command = flowforge(&folder);
    let absent = output(command.args(["run", "absent.yaml", "--data-dir", "data"])).await;
    assert!(complaint(&absent).contains("file.not_found"), "{}", complaint(&absent));
}

#[tokio::test]
async fn the_configuration_is_checked_and_printed_without_secrets() {
    let folder = Folder::new("config");
    folder.write("flowforge.toml", "[server]\nlisten = \"0.0.0.0:9\"\n");
    let mut command = flowforge(&folder);
    command.env("DATABASE_URL", "postgres://me:hunter2@db/flow");
    let shown = output(command.args(["config", "print"])).await;
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success() && text.contains("listen = \"0.0.0.0:9\""), "{text}");
    assert!(text.contains("me:•••@db") && !text.contains("hunter2"), "{text}");

    folder.write("flowforge.toml", "[server]\nlissten = \"0.0.0.0:9\"\n");
    let refused = output(flowforge(&folder).args(["config", "check"])).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = complaint(&refused);
    assert!(said.contains("line 2") && said.contains("Did you mean \"listen\"?"), "{said}");
}

#[tokio::test]
async fn who_closes_its_output_early_gets_no_panic() {
    let folder = Folder::new("closed-output");
    for arguments in [["config", "print"], ["config", "manual"], ["config", "nonsense"]] {
        // Nobody reads the other end of either.
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let mut command = flowforge(&folder);
        command.args(arguments).stdout(write.try_clone().unwrap()).stderr(write);
        let ended = command.status().await.unwrap();
        assert!(matches!(ended.code(), Some(0 | 2)), "{arguments:?}: {ended}");
    }
}

#[tokio::test]
async fn migrate_and_doctor_say_what_they_found() {
    let folder = Folder::new("migrate");
    let migrate = ["migrate", "--data-dir", "data"];
    let first = output(flowforge(&folder).args(migrate)).await;
    let said = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(first.status.success() && said.contains("migrations applied"), "{said}");
    let second = output(flowforge(&folder).args(migrate)).await;
    assert!(String::from_utf8_lossy(&second.stdout).contains("up to date"));
    let doctor = output(flowforge(&folder).args(["doctor", "--data-dir", "data"])).await;
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && said.contains("database"), "{said}");
}

#[tokio::test]
async fn a_benchmark_reports_the_fields_of_its_contract() {
    let folder = Folder::new("bench");
    for workload in ["webhook", "queue"] {
        let mut command = flowforge(&folder);
        command.args(["bench", "--workload", workload, "--seconds", "1", "--json"]);
        let measured = output(&mut command).await;
        assert!(measured.status.success(), "{}", complaint(&measured));
        let report = printed(&measured);
        let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "workload",
                "rate",
                "p50_ms",
                "p99_ms",
                "errors",
                "concurrency",
                "seconds",
                "cpu_program_s",
                "cpu_postgres_s",
                "commits",
                "wal_bytes",
                "rss_mb",
                "c1_ms",
                "a100_rows_per_s"
            ]
        );
        assert_eq!(report["errors"], 0, "{report}");
        assert!(report["rate"].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[tokio::test]
async fn the_demonstration_runs_to_its_end_and_leaves_nothing_behind() {
    let folder = Folder::new("demo");
    let examples = checkout::path("examples");
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = flowforge(&folder);
    command.args(["demo", "--examples"]).arg(examples).env("TMPDIR", &temporary);
    let shown = output(&mut command).await;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{text}\n{}", complaint(&shown));
    assert!(text.contains("resumed after a crash") && text.contains("groups:"), "{text}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "files were left behind");
}

#[tokio::test]
async fn every_function_can_be_called_from_the_command_line() {
    let folder = Folder::new("api-call");
    folder.write("greet.yaml", GREET);
    let api = async |arguments: &[&str]| {
        let mut command = flowforge(&folder);
        output(command.arg("api").args(arguments).args(["--data-dir", "data"])).await
    };
    let absent = api(&["get-workspace"]).await;
    assert!(complaint(&absent).contains("flowforge up"), "{}", complaint(&absent));
    let server = Server::up(&folder).await;
    let listed = api(&[]).await;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("create-workflow") && text.contains("POST /v1/workflows"), "{text}");

    let saved = api(&["create-workflow", "--body", "@greet.yaml", "--json"]).await;
    assert!(saved.status.success(), "{}", complaint(&saved));
    let id = at(&printed(&saved), "/id").to_owned();
    let shown = api(&["list-workflows", "--limit", "1"]).await;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(text.contains("name") && text.contains(&id), "{text}");
    let found = api(&["get_workflow", "--workflow-id", &id]).await;
    assert!(String::from_utf8_lossy(&found.stdout).contains(&id));

    let refused = api(&["get-workflow", "--workflow-id", "nothing"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("workflow.not_found"), "{}", complaint(&refused));
    let body = r#"{"name":"","scopes":["*"]}"#;
    let invalid = api(&["create-api-key", "--body", body]).await;
    assert!(complaint(&invalid).contains("/name"), "{}", complaint(&invalid));
    let help = api(&["create-workflow", "--help"]).await;
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(text.contains("workflow.write") && text.contains("--body"), "{text}");

    // Another server is asked with the key of the environment only.
    let mut command = flowforge(&folder);
    command.args(["api", "get-workspace", "--url"]).arg(format!("http://{}", server.address));
    let stranger = output(&mut command).await;
    assert!(complaint(&stranger).contains("auth.required"), "{}", complaint(&stranger));
    let mut command = flowforge(&folder);
    command.env("FLOWFORGE_API_KEY", server.owner_key());
    command.args(["api", "get-workspace", "--url"]).arg(format!("http://{}", server.address));
    let owner = output(&mut command).await;
    assert!(owner.status.success(), "{}", complaint(&owner));
    server.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn the_tests_of_every_example_pass_and_leave_nothing_behind() {
    let folder = Folder::new("test-examples");
    let mut command = flowforge(&folder);
    let tested =
        output(command.arg("test").arg(checkout::path("examples")).args(["--junit", "report.xml"]))
            .await;
    assert!(tested.status.success(), "{}", complaint(&tested));
    let text = String::from_utf8_lossy(&tested.stdout);
    for entry in std::fs::read_dir(checkout::path("examples")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".yaml") {
            assert!(
                text.contains(&format!("tests/{stem}.test.yaml")),
                "{name} has no tests: {text}"
            );
        }
    }
    let report = std::fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(report.contains("failures=\"0\"") && !report.contains("<failure"), "{report}");
    assert!(!folder.path().join(".flowforge").exists(), "it has a server of its own");
}

#[tokio::test]
async fn a_test_that_fails_shows_the_difference_and_fails_the_command() {
    let folder = Folder::new("test-fails");
    folder.write("greet.yaml", GREET);
    folder.write(
        "greet.test.yaml",
        "format: 1\nworkflow: greet.yaml\ntests:\n\
           - { name: greets, input: { name: Ada }, expect: { nodes: { Text: [ { text: Hello Bob } ], Known?:false: [] } } }\n\
           - { name: refuses, expect: { error: { code: run.stopped, node: Nobody, message: greet } } }\n\
           - { name: asserts, input: { name: Ada }, assert: [ \"$('Text').first().json.text.length\" ] }\n\
           - { name: is told apart, input: { name: Ada }, expect: { skipped: [ Text, Nowhere ], files: { x.txt: y } } }\n",
    );
    folder.write("broken.test.yaml", "format: 1\nworkflow: greet.yaml\ntsts: []\n");
    let mut command = flowforge(&folder);
    let tested = output(command.args(["test", ".", "--json", "--junit", "report.xml"])).await;
    assert_eq!(tested.status.code(), Some(1), "{}", complaint(&tested));
    let report = printed(&tested);
    assert_eq!((&report["passed"], &report["failed"]), (&1.into(), &4.into()), "{report:#}");
    let broken = at(&report, "/files/0/error");
    assert!(broken.contains("line 3") && broken.contains("tests"), "{broken}");
    let fault = |test: usize, fault: usize| {
        at(&report, &format!("/files/1/tests/{test}/faults/{fault}")).to_owned()
    };
    assert!(
        fault(0, 0).contains("-     \"text\": \"Hello Bob\"\n+     \"text\": \"Hello Ada\""),
        "{report:#}"
    );
    assert_eq!(fault(1, 0), "");
    assert!(fault(2, 0).contains("it gave 9"), "{report:#}");
    assert!(fault(3, 0).contains("\"Text\" ran"), "{report:#}");
    assert!(fault(3, 1).contains("no node \"Nowhere\""), "{report:#}");
    assert!(fault(3, 2).contains("x.txt cannot be read"), "{report:#}");
    let junit = std::fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(junit.contains("tests=\"5\" failures=\"4\""), "{junit}");

    let mut command = flowforge(&folder);
    let nothing = output(command.args(["test", "no-such-folder"])).await;
    assert_eq!(nothing.status.code(), Some(1));
}

#[test]
fn the_guide_shows_a_test_of_the_examples() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = std::fs::read_to_string(root.join("docs/guide/testing.md")).unwrap();
    let file = root.join("examples/tests/as-in-the-guide.test.yaml");
    let shown = std::fs::read_to_string(file).unwrap();
    assert!(guide.contains(&format!("```yaml\n{shown}```")), "the guide and the file differ");
}

#[tokio::test]
async fn tags_and_projects_with_a_slash_come_back_and_tags_that_no_file_names_stay() {
    let folder = Folder::new("transfer-tags");
    let data = ["--data-dir", "data"];
    folder.write("in/A%2FB/greet.yaml", GREET);
    folder.write("in/.flowforge-tags.json", r#"{"A%2FB/greet.yaml": ["daily", "x y"]}"#);
    let server = Server::up(&folder).await;
    let transfer = async |words: &[&str]| {
        let done = output(flowforge(&folder).args(words).args(data)).await;
        assert!(done.status.success(), "{words:?}: {}", complaint(&done));
    };
    let exported = |name: &str| {
        let read = |file: &str| std::fs::read_to_string(folder.path().join(name).join(file));
        (read(".flowforge-tags.json").unwrap(), read("A%2FB/Greet.yaml").unwrap())
    };
    transfer(&["import", "in"]).await;
    transfer(&["export", "out"]).await;
    let (tags, text) = exported("out");
    let tags = json::parse_str(&tags).unwrap();
    assert_eq!(tags, serde_json::json!({ "A%2FB/Greet.yaml": ["daily", "x y"] }));
    assert_eq!(text, GREET);
    // A file that says nothing of tags leaves them; a folder that was exported changes nothing.
    folder.write("bare/A%2FB/Greet.yaml", &format!("# changed\n{GREET}"));
    transfer(&["import", "bare", "--on-conflict", "replace"]).await;
    transfer(&["export", "again"]).await;
    assert_eq!(json::parse_str(&exported("again").0).unwrap(), tags);
    folder.write("none/A%2FB/Greet.yaml", GREET);
    folder.write("none/.flowforge-tags.json", r#"{"A%2FB/Greet.yaml": []}"#);
    transfer(&["import", "none", "--on-conflict", "replace"]).await;
    transfer(&["export", "last"]).await;
    let last = json::parse_str(&exported("last").0).unwrap();
    assert_eq!(last, serde_json::json!({ "A%2FB/Greet.yaml": [] }));
    server.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_folder_of_workflows_goes_out_and_comes_in_again() {
    let folder = Folder::new("transfer");
    folder.write("in/Sales/greet.yaml", GREET);
    folder.write(
        "in/other.json",
        r#"{"format":1,"name":"Other","nodes":[{"name":"A","type":"core.manual"}]}"#,
    );
    let data = ["--data-dir", "data"];
    let mut command = flowforge(&folder);
    let alone = output(command.args(["import", "in"]).args(data)).await;
    assert_eq!(alone.status.code(), Some(1), "no server runs");
    let server = Server::up(&folder).await;
    let imported = output(flowforge(&folder).args(["import", "in"]).args(data)).await;
    assert!(imported.status.success(), "{}", complaint(&imported));
    let again = output(flowforge(&folder).args(["import", "in"]).args(data)).await;
    assert_eq!(again.status.code(), Some(1), "names are taken");
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(told.contains("Sales/greet.yaml") && told.contains("other.json"), "{told}");
    let exported = output(flowforge(&folder).args(["export", "out"]).args(data)).await;
    assert!(exported.status.success(), "{}", complaint(&exported));
    let greet = std::fs::read_to_string(folder.path().join("out/Sales/Greet.yaml")).unwrap();
    assert_eq!(greet, GREET);
    assert!(folder.path().join("out/Default/Other.yaml").exists());
    server.end(Signal::SIGTERM).await;
}

#[test]
fn the_schema_of_tests_contract_has_not_drifted() {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_flowforge"));
    let printed = { program }.arg("test-schema").output().unwrap();
    let now = String::from_utf8(printed.stdout).unwrap();
    checkout::assert_current("contracts/test.schema.json", &now);
}
