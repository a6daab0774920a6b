//! Files inside the allowed folders, and attempts to get at others.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use kernel::{Code, codes};
use node::FileAccess;

/// A folder that goes away with the test, with `allowed` and `outside` in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowforge-files-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("allowed")).unwrap();
        fs::create_dir_all(folder.join("outside")).unwrap();
        fs::write(folder.join("outside/secret.txt"), "secret").unwrap();
        Self(folder)
    }

    fn allowed(&self) -> PathBuf {
        self.0.join("allowed")
    }

    fn access(&self) -> FileAccess {
        FileAccess {
            allow: vec![self.allowed()],
            base: Some(self.allowed()),
            ..FileAccess::default()
        }
    }

    fn text(&self, path: &str) -> String {
        self.0.join(path).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn refused(access: &FileAccess, path: &str) -> Code {
    access.read(path).await.unwrap_err().code
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_is_written_is_read_back_by_relative_and_whole_path() {
    let folder = Folder::new();
    let access = folder.access();
    let real = access.write("reports/2026/a.txt", b"hello".to_vec()).await.unwrap();
    assert_eq!(real, folder.allowed().canonicalize().unwrap().join("reports/2026/a.txt"));
    for path in ["reports/2026/a.txt", "./reports/../reports/2026/a.txt", real.to_str().unwrap()] {
        let read = access.read(path).await.unwrap();
        assert_eq!((read.bytes.as_slice(), &read.path), (&b"hello"[..], &real), "{path}");
    }
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o644);
    access.write("reports/2026/a.txt", b"new".to_vec()).await.unwrap();
    assert_eq!(fs::read(&real).unwrap(), b"new");
    assert_eq!(names(real.parent().unwrap()), ["a.txt"]);
}

#[tokio::test]
async fn nothing_outside_is_read_whether_it_exists_or_not() {
    let folder = Folder::new();
    let access = folder.access();
    for path in [
        "/etc/passwd",
        "/etc/there-is-no-such-file",
        "../outside/secret.txt",
        "../outside/none.txt",
        "../../../../../../etc/passwd",
        "..",
        "/",
        "/proc/self/environ",
        "/dev/zero",
        &folder.text("outside/secret.txt"),
        &folder.text("allowed-not/x"),
    ] {
        assert_eq!(refused(&access, path).await, codes::FILE_NOT_ALLOWED, "{path}");
    }
    let problem = access.read("/etc/passwd").await.unwrap_err();
    assert!(problem.detail.contains("[files] allow"));
}

#[tokio::test]
async fn links_that_lead_outside_are_refused_and_links_inside_are_followed() {
    let folder = Folder::new();
    let access = folder.access();
    access.write("real/a.txt", b"inside".to_vec()).await.unwrap();
    symlink("../outside/secret.txt", folder.0.join("allowed/file")).unwrap();
    symlink(folder.0.join("outside"), folder.0.join("allowed/folder")).unwrap();
    symlink("../outside/none.txt", folder.0.join("allowed/dangling")).unwrap();
    symlink("real", folder.0.join("allowed/inner")).unwrap();
    for path in ["file", "folder/secret.txt", "folder/new.txt", "dangling"] {
        assert_eq!(refused(&access, path).await, codes::FILE_NOT_ALLOWED, "{path}");
        let problem = access.write(path, b"x".to_vec()).await.unwrap_err();
        assert_eq!(problem.code, codes::FILE_NOT_ALLOWED, "{path}");
    }
    assert_eq!(fs::read(folder.0.join("outside/secret.txt")).unwrap(), b"secret");
    assert_eq!(names(&folder.0.join("outside")), ["secret.txt"]);
    assert_eq!(access.read("inner/a.txt").await.unwrap().bytes, b"inside");
    access.write("inner/a.txt", b"changed".to_vec()).await.unwrap();
    assert_eq!(access.read("real/a.txt").await.unwrap().bytes, b"changed");
}

#[tokio::test]
async fn an_allowed_folder_may_be_a_link_itself() {
    let folder = Folder::new();
    symlink(folder.allowed(), folder.0.join("link")).unwrap();
    let access = FileAccess { allow: vec![folder.0.join("link")], ..folder.access() };
    access.write("a.txt", b"x".to_vec()).await.unwrap();
    assert_eq!(access.read(&folder.text("link/a.txt")).await.unwrap().bytes, b"x");
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
    let folder = Folder::new();
    let access = folder.access();
    let pipe = folder.0.join("allowed/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    access.write("folder/a.txt", b"x".to_vec()).await.unwrap();
    for path in ["pipe", "folder", ".", "", "a\0b"] {
        assert_eq!(refused(&access, path).await, codes::FILE_INVALID, "{path:?}");
    }
    let problem = access.write("folder", b"x".to_vec()).await.unwrap_err();
    assert_eq!(problem.code, codes::FILE_INVALID);
}

#[tokio::test]
async fn missing_long_and_unplaced_files_are_told_apart() {
    let folder = Folder::new();
    let access = FileAccess { bytes_max: 4, ..folder.access() };
    assert_eq!(refused(&access, "none.txt").await, codes::FILE_NOT_FOUND);
    assert_eq!(refused(&access, "no/folder/none.txt").await, codes::FILE_NOT_FOUND);
    access.write("long.txt", b"12345".to_vec()).await.unwrap();
    assert_eq!(refused(&access, "long.txt").await, codes::FILE_INVALID);
    access.write("short.txt", b"1234".to_vec()).await.unwrap();
    assert_eq!(access.read("short.txt").await.unwrap().bytes.len(), 4);
    let nowhere = FileAccess { base: None, ..folder.access() };
    assert_eq!(refused(&nowhere, "short.txt").await, codes::FILE_NOT_ALLOWED);
    let closed = FileAccess { allow: Vec::new(), ..folder.access() };
    assert_eq!(refused(&closed, "short.txt").await, codes::FILE_NOT_ALLOWED);
    let name = "x".repeat(300);
    assert_eq!(access.write(&name, Vec::new()).await.unwrap_err().code, codes::FILE_INVALID);
}

/// Runs only as the child of the next test, inside a namespace with a tiny file system.
#[tokio::test]
#[ignore = "the next test starts it where a full disk is"]
async fn inside_a_full_file_system() {
    let disk = PathBuf::from(std::env::var_os("FLOWFORGE_TEST_DISK").unwrap());
    let access =
        FileAccess { allow: vec![disk.clone()], base: Some(disk.clone()), ..FileAccess::default() };
    access.write("kept.txt", b"old".to_vec()).await.unwrap();
    let problem = access.write("kept.txt", vec![0; 1_000_000]).await.unwrap_err();
    assert_eq!(problem.code, codes::STORAGE_FULL);
    assert_eq!(access.read("kept.txt").await.unwrap().bytes, b"old");
    assert_eq!(names(&disk), ["kept.txt"]);
}

#[test]
fn a_full_disk_is_said_and_leaves_the_old_content_and_nothing_half_written() {
    let folder = Folder::new();
    let program = std::env::current_exe().unwrap();
    let script = "mount -t tmpfs -o size=128k tmpfs \"$FLOWFORGE_TEST_DISK\" && \
                  exec \"$0\" --ignored --exact inside_a_full_file_system";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(program)
        .env("FLOWFORGE_TEST_DISK", folder.allowed())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
