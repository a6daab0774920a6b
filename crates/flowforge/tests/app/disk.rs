//! The disk of the database fills up in the middle of the work, and has room again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::json;
use testkit::{Process, Reply, Start, eventually};

/// A small file system; gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is not permitted.
    fn mount(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const KEEP: &str = "
format: 1
name: Keep
nodes:
  - { name: Ask, type: core.webhook, parameters: { path: keep, method: POST, respond: node } }
  - { name: Answer, type: core.respond, parameters: { with: json, body: { length: '={{ $json.body.text.length }}' } } }
connections: [ Ask -> Answer ]
";

async fn keep(process: &Process, number: u64) -> Reply {
    // No two bodies compress alike.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let text: String = (0..12_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:016x}", state)
        })
        .collect();
    let request = process.anon().request(Method::POST, "/hooks/default/keep");
    Reply::of(request.json(&json!({ "text": text }))).await
}

#[tokio::test]
async fn a_full_disk_stops_admission_loses_nothing_and_ends_when_there_is_room() {
    let folder = std::env::temp_dir().join(format!("flowforge-disk-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let Some(_disk) = SmallDisk::mount(&data) else {
        println!("skipped: mounting a small tmpfs is not permitted here (needs root)");
        return;
    };
    let start = Start::new(env!("CARGO_BIN_EXE_flowforge"), &folder);
    // Who is waiting when the disk becomes full waits no longer than this.
    let start = start.env("FLOWFORGE_SERVER__ANSWER_TIMEOUT", "2s");
    let process = start.start().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let owner = process.owner();
    let stored = owner.post_text("/v1/workflows", "application/yaml", KEEP).await;
    let id = stored.json["id"].as_str().unwrap();
    let path = format!("/v1/workflows/{id}/publish");
    owner.post_text(&path, "application/json", "").await.expect(200);

    let before = keep(&process, 0).await.expect(200);
    let ballast = data.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 64 * 1024]).is_ok() {}
    drop(file);
    let mut refused = None;
    let mut kept = vec![before.run_id()];
    for number in 1..200 {
        let reply = keep(&process, number).await;
        match reply.status {
            200 => kept.push(reply.run_id()),
            _ => {
                refused = Some(reply);
                break;
            }
        }
    }
    let refused = refused.expect("160 MB are full some time");
    assert!(refused.status >= 500, "{}", refused.text);
    process.anon().get("/live").await.expect(200);

    std::fs::remove_file(&ballast).unwrap();
    eventually("room to be noticed", async || {
        (keep(&process, 1_000).await.status == 200).then_some(())
    })
    .await;
    for run in kept {
        let view = owner.get(&format!("/v1/runs/{run}")).await.expect(200);
        assert_eq!(view.json["status"], "succeeded", "{}", view.text);
    }
    process.anon().get("/ready").await.expect(200);
    assert!(process.stop().await.success());
    drop(_disk);
    let _ = std::fs::remove_dir_all(&folder);
}
