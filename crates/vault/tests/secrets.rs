//! Secrets in the database: sealed, of one workspace, and unreadable with another key.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::sync::Arc;

use db::testing::{TestDatabase, database};
use db::{Columns, Identity, Statement, sql};
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Secret, WorkspaceId, codes};
use vault::{SealingKey, Vault};

const ALL: Statement =
    sql!("test.all", reads(secrets), (), "SELECT name, sealed FROM forge.secrets ORDER BY name");

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = database().await;
    db::prepare_all(&test.database, vault::STATEMENTS).await.unwrap();
}

#[tokio::test]
async fn a_key_file_is_made_once_for_its_user_only_and_refused_when_others_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = std::env::temp_dir().join(format!("flowforge-vault-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("secret-key");
    let made = SealingKey::in_file(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SealingKey::in_file(&path).unwrap().id(), made.id());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let problem = SealingKey::in_file(&path).unwrap_err();
    assert_eq!(problem.code, codes::CONFIG_INVALID);
    assert!(problem.detail.contains("chmod 600"), "{}", problem.detail);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A host that serves the vault's functions.
async fn host(test: &TestDatabase, key: &str) -> (function::Host, function::Caller, Vault) {
    let key = SealingKey::of_text(&Secret::new(key.to_owned())).unwrap();
    let vault = Vault::new(test.database.clone(), key);
    let services = function::Services::builder().with(vault.clone()).build();
    let clock = Arc::new(SystemClock);
    let host = function::Host::new(test.database.clone(), services, clock, Arc::new(SystemDice));
    let workspace = WorkspaceId(uuid::Uuid::from_u128(7));
    let caller = function::Caller {
        workspace,
        workspace_slug: "w".into(),
        principal: kernel::PrincipalId(uuid::Uuid::from_u128(8)),
        key: kernel::ApiKeyId(uuid::Uuid::from_u128(9)),
        scopes: function::Scopes::new(["*".to_owned()]),
    };
    let insert = format!(
        "INSERT INTO forge.workspaces (workspace_id, slug, name) VALUES ('{workspace}', 'w', 'W') \
         ON CONFLICT DO NOTHING"
    );
    test.superuser().await.batch_execute(&insert).await.unwrap();
    (host, caller, vault)
}

#[tokio::test]
async fn a_secret_is_sealed_in_its_row_opens_with_its_key_and_with_no_other() {
    let test = database().await;
    let (host, caller, vault) = host(&test, &"11".repeat(32)).await;
    let set = vault::FUNCTIONS.iter().find(|function| function.name == "set_secret").unwrap();
    let request = function::Request {
        path: vec![("name".to_owned(), "shop".to_owned())],
        body: br#"{"value": "plain as day"}"#.to_vec(),
        ..function::Request::default()
    };
    let answer = host.call(set, &caller, &request).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer.body).contains("plain"));
    let opened = vault.open(caller.workspace, "shop").await.unwrap();
    assert_eq!(opened.expose(), "plain as day");
    assert_eq!(format!("{opened:?}"), "•••");

    let mut tx = test.database.read(Identity::of_workspace(caller.workspace)).await.unwrap();
    let rows = tx.query(&ALL, &[]).await.unwrap();
    let sealed: Vec<u8> = rows[0].column("sealed").unwrap();
    assert!(!sealed.windows(5).any(|part| part == b"plain"));
    drop(tx);
    let neighbour = WorkspaceId(uuid::Uuid::from_u128(70));
    let problem = vault.open(neighbour, "shop").await.unwrap_err();
    assert_eq!(problem.code, codes::SECRET_NOT_FOUND);
    let mut tx = test.database.read(Identity::of_workspace(neighbour)).await.unwrap();
    assert_eq!(tx.query(&ALL, &[]).await.unwrap().len(), 0);

    let other = SealingKey::of_text(&Secret::new("22".repeat(32))).unwrap();
    let other = Vault::new(test.database.clone(), other);
    let problem = other.open(caller.workspace, "shop").await.unwrap_err();
    assert_eq!(problem.code, codes::SECRET_UNREADABLE);
    assert!(problem.detail.contains("another key"), "{}", problem.detail);
}
