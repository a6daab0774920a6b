//! Blobs: stored once, whole or not at all, for one workspace.

use std::sync::Arc;
use std::time::Duration;

use engine::blobs::BlobStore;
use engine::maintenance::Maintenance;
use kernel::WorkspaceId;
use kernel::clock::SystemClock;
use node::Blobs;
use uuid::Uuid;

use crate::world::{WORKSPACE, World, now, queue};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn blobs(world: &World) -> BlobStore {
    BlobStore::new(world.db.database.clone(), Arc::new(SystemClock), 2 * DAY)
}

/// Bytes that differ everywhere.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[tokio::test]
async fn bytes_of_every_size_come_back_as_they_were() {
    let world = World::new().await;
    let blobs = blobs(&world);
    for length in [0, 1, 1024 * 1024, 1024 * 1024 + 1, 3_500_000] {
        let stored = blobs.put(WORKSPACE, bytes(length)).await.unwrap();
        assert_eq!((stored.size, stored.blob.len()), (length as u64, 64));
        assert!(blobs.get(WORKSPACE, &stored.blob).await.unwrap() == bytes(length), "{length}");
    }
}

#[tokio::test]
async fn the_same_bytes_are_stored_once_a_workspace_and_are_invisible_to_another() {
    let world = World::new().await;
    let blobs = blobs(&world);
    let stranger = WorkspaceId(Uuid::from_u128(0x5151));
    let key = blobs.put_bytes(WORKSPACE, &bytes(2_000_000)).await.unwrap();
    assert_eq!(blobs.put_bytes(WORKSPACE, &bytes(2_000_000)).await.unwrap(), key);
    assert_eq!((world.count("blobs").await, world.count("blob_chunks").await), (1, 2));
    assert!(blobs.get(stranger, &key).await.is_err());
    assert_eq!(blobs.put_bytes(stranger, &bytes(2_000_000)).await.unwrap(), key);
    assert_eq!(world.count("blobs").await, 2);
}

#[tokio::test]
async fn an_unfinished_blob_is_not_there_and_is_finished_by_the_next_writer() {
    let world = World::new().await;
    let blobs = blobs(&world);
    let key = blobs.put_bytes(WORKSPACE, &bytes(2_500_000)).await.unwrap();
    // As it stands when the writer dies after its first chunk.
    let cut =
        "UPDATE forge.blobs SET sealed = false; DELETE FROM forge.blob_chunks WHERE chunk > 0";
    world.superuser.batch_execute(cut).await.unwrap();
    assert_eq!(blobs.get_bytes(WORKSPACE, &key).await.unwrap(), None);
    blobs.put_bytes(WORKSPACE, &bytes(2_500_000)).await.unwrap();
    assert!(blobs.get(WORKSPACE, &key).await.unwrap() == bytes(2_500_000));
}

#[tokio::test]
async fn what_nobody_names_expires_and_what_is_named_again_stays() {
    let world = World::new().await;
    let blobs = blobs(&world);
    let forgotten = blobs.put_bytes(WORKSPACE, b"forgotten").await.unwrap();
    let kept = blobs.put_bytes(WORKSPACE, b"kept").await.unwrap();
    let until = now() + 30 * DAY;
    let named = blobs.keep_until(WORKSPACE, &[kept.clone(), "nonsense".into()], until).await;
    assert_eq!(named.unwrap(), 1);
    let maintenance = Maintenance::new(world.db.database.clone(), queue(&world));
    assert_eq!(maintenance.tick(now() + DAY).await.unwrap().chunks_expired, 0);
    assert_eq!(maintenance.tick(now() + 3 * DAY).await.unwrap().chunks_expired, 1);
    assert_eq!(blobs.get_bytes(WORKSPACE, &forgotten).await.unwrap(), None);
    assert_eq!(blobs.get_bytes(WORKSPACE, &kept).await.unwrap().unwrap(), &b"kept"[..]);
    blobs.put_bytes(WORKSPACE, b"forgotten").await.unwrap();
    assert!(blobs.get_bytes(WORKSPACE, &forgotten).await.unwrap().is_some());
}
