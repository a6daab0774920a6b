//! `flowforge export` and `flowforge import`: workflows between a running server and a folder.

use std::path::{Path, PathBuf};

use db::private::Lock;
use kernel::json::parse_str;
use kernel::{Object, Problem, Value, codes};
use serde_json::json;

use crate::cli::{Export, FileForm, Import, Taken};
use crate::client::Client;
use crate::config::Config;
use crate::{keys, terminal};

/// The file beside exported workflows that holds what is not part of their documents: their tags, by
/// the path of the file.
const TAGS: &str = ".flowforge-tags.json";
/// Folders looked into, one in another.
const DEPTH_MAX: usize = 16;

/// Writes workflows into a folder, one file each.
///
/// # Errors
/// What keeps the server from answering or a file from being written.
pub(crate) async fn export(config: &Config, command: &Export) -> Result<(), Problem> {
    let client = client(config)?;
    let form = match command.form {
        FileForm::Yaml => "yaml",
        FileForm::Json => "json",
    };
    let mut query = format!("form={form}&limit=200");
    for (name, value) in [("project", &command.project), ("tag", &command.tag)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let (mut count, mut cursor) = (0, String::new());
    // Others may have been exported to this folder before.
    let mut tags = read_tags(&command.folder)?;
    loop {
        let page = client.get(&format!("/v1/workflow-files?{query}{cursor}")).await?;
        for file in page["items"].as_array().into_iter().flatten() {
            let path = write(&command.folder, file)?;
            tags.insert(path, file["tags"].clone());
            count += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    if count > 0 {
        let path = command.folder.join(TAGS);
        let text = format!("{:#}\n", Value::Object(tags));
        std::fs::write(&path, text).map_err(|error| crate::test::unreadable(&path, &error))?;
    }
    terminal::put(&format!("{count} workflows written to {}\n", command.folder.display()));
    Ok(())
}

/// The tags that an export noted in this folder.
fn read_tags(folder: &Path) -> Result<Object, Problem> {
    let path = folder.join(TAGS);
    if !path.is_file() {
        return Ok(Object::new());
    }
    match parse_str(&crate::test::read_text(&path)?) {
        Ok(Value::Object(tags)) => Ok(tags),
        Ok(_) | Err(_) => {
            let detail = format!(
                "{} is not an object of lists of tags by path: mend it, or delete it to leave tags as \
                 they are.",
                path.display()
            );
            Err(Problem::new(codes::REQUEST_MALFORMED, detail))
        }
    }
}

/// Writes a file and gives the path it has in the folder.
fn write(folder: &Path, file: &Value) -> Result<String, Problem> {
    let text = |key: &str| file[key].as_str().unwrap_or_default();
    // The server names files by names of people: none may lead out of the folder.
    let parts = text("path").split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    let inside = parts.collect::<PathBuf>();
    let path = folder.join(&inside);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&path, text("text")))
        .map_err(|error| crate::test::unreadable(&path, &error))?;
    Ok(inside.to_string_lossy().into_owned())
}

/// Stores the workflows of a folder, all or none.
///
/// # Errors
/// `workflow.import_failed` with every file that cannot be stored; what keeps the folder from being read
/// or the server from answering.
pub(crate) async fn import(config: &Config, command: &Import) -> Result<(), Problem> {
    let mut files = Vec::new();
    let root = &command.folder;
    if root.is_file() {
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(json!({ "path": name, "text": crate::test::read_text(root)? }));
    } else {
        read(root, root, 0, &mut files)?;
        let tags = read_tags(root)?;
        for file in &mut files {
            if let Some(tags) = file["path"].as_str().and_then(|path| tags.get(path)) {
                file["tags"] = tags.clone();
            }
        }
    }
    if files.is_empty() {
        let detail = format!("There is no workflow (*.yaml, *.yml, *.json) in {}.", root.display());
        return Err(Problem::new(codes::FILE_NOT_FOUND, detail));
    }
    let on_conflict = match command.on_conflict {
        Taken::Refuse => "refuse",
        Taken::Replace => "replace",
        Taken::Rename => "rename",
    };
    let mut body = json!({
        "files": files, "on_conflict": on_conflict, "incomplete": command.incomplete,
    });
    if let Some(project) = &command.project {
        body["project"] = project.as_str().into();
    }
    let imported = client(config)?.post("/v1/workflow-files", &body).await?;
    let items = imported["items"].as_array().map_or(&[][..], Vec::as_slice);
    for item in items {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        terminal::put(&format!("{:<9} {} ({})\n", text("done"), text("name"), text("path")));
    }
    terminal::put(&format!("{} workflows imported\n", items.len()));
    Ok(())
}

fn read(root: &Path, folder: &Path, depth: usize, files: &mut Vec<Value>) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let failed = |error: &std::io::Error| crate::test::unreadable(folder, error);
    let entries = std::fs::read_dir(folder).map_err(|error| failed(&error))?;
    let mut entries: Vec<_> =
        entries.collect::<Result<_, _>>().map_err(|error: std::io::Error| failed(&error))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        let is_workflow = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
            && !name.contains(".test.");
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            read(root, &path, depth + 1, files)?;
        } else if kind.is_file() && is_workflow {
            let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(json!({ "path": shown, "text": crate::test::read_text(&path)? }));
        }
    }
    Ok(())
}

/// A client of the server that runs on the data directory.
fn client(config: &Config) -> Result<Client, Problem> {
    let holder = Lock::holder(&config.data_dir)?.and_then(|holder| holder.address);
    let address = holder.ok_or_else(|| {
        let detail = format!(
            "No server runs on {}; start one with `flowforge up`, or name its folder by --data-dir.",
            config.data_dir.display()
        );
        Problem::new(codes::DATABASE_UNAVAILABLE, detail)
    })?;
    Client::new(&address, keys::find(&config.data_dir))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
