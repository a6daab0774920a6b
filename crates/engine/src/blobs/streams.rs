//! Blobs that come and go piece by piece: of each a chunk or two is in memory.
//!
//! The name of a blob is the hash of its bytes, which is known at their end. Until then the chunks
//! stand under a name made of chance, which expires soon; at the end they are given to the blob of
//! the right name, unless it has them already. An upload that breaks off leaves nothing but that.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use db::Columns as _;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use kernel::item::BinaryRef;
use kernel::{Problem, WorkspaceId, fault};
use node::FileStream;

use super::{ATTEMPTS_MAX, BlobStore, CHUNK_BYTES, Hash, WRITING, damaged, hex, missing, unhex};
use crate::store::blobs;

/// How long the chunks of an upload are kept after one of them came.
const UPLOADING: Duration = Duration::from_secs(3_600);
/// Chunks after which that time begins anew.
const RENEW_CHUNKS: i32 = 64;

/// A blob on its way in.
struct Upload<'a> {
    store: &'a BlobStore,
    workspace: WorkspaceId,
    hash: Context,
    size: u64,
    /// Bytes that are not written yet.
    held: Vec<u8>,
    /// Chunks that are.
    chunks: i32,
    /// Where they stand, once there are any.
    place: Option<Hash>,
}

impl BlobStore {
    /// Stores what a stream brings, for [`WRITING`]; durable when it returns.
    pub(super) async fn put_pieces(
        &self,
        workspace: WorkspaceId,
        mut pieces: BoxStream<'_, Result<Bytes, Problem>>,
    ) -> Result<BinaryRef, Problem> {
        let mut upload = Upload {
            store: self,
            workspace,
            hash: Context::new(&SHA256),
            size: 0,
            held: Vec::new(),
            chunks: 0,
            place: None,
        };
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => upload.push(&piece).await?,
                Err(problem) => {
                    upload.give_up().await;
                    return Err(problem);
                }
            }
        }
        let size = upload.size;
        let blob = upload.finish().await?;
        fault!("blob.written");
        let mime_type = "application/octet-stream".to_owned();
        Ok(BinaryRef { blob, mime_type, file_name: None, size })
    }

    /// A blob, read chunk by chunk as it is asked for.
    pub(super) async fn get_pieces(
        &self,
        workspace: WorkspaceId,
        key: &str,
    ) -> Result<FileStream, Problem> {
        let hash = unhex(key).ok_or_else(|| missing(key))?;
        let row = self.lane.query_opt(&blobs::FIND, &[&workspace.0, &hash.as_slice()]).await?;
        let size: i64 = row.ok_or_else(|| missing(key))?.column("size")?;
        let size = u64::try_from(size).map_err(|_| damaged(key))?;
        // The first is read before anything is answered: most blobs have no other.
        let first = self.chunk(workspace, &hash, 0).await?;
        let left = size.checked_sub(first.len() as u64).ok_or_else(|| damaged(key))?;
        let store = self.clone();
        let rest = stream::try_unfold((left, 1_i32), move |(left, chunk)| {
            let store = store.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let body = store.chunk(workspace, &hash, chunk).await?;
                let left = left.checked_sub(body.len() as u64);
                let left = left.ok_or_else(|| damaged(&hex(&hash)))?;
                Ok(Some((body, (left, chunk + 1))))
            }
        });
        let pieces = stream::iter([Ok(first)]).chain(rest).boxed();
        Ok(FileStream { size, pieces })
    }

    async fn chunk(
        &self,
        workspace: WorkspaceId,
        hash: &Hash,
        chunk: i32,
    ) -> Result<Bytes, Problem> {
        let parameters: db::Parameters<'_> = &[&workspace.0, &hash.as_slice(), &chunk];
        let row = self.lane.query_opt(&blobs::CHUNK, parameters).await?;
        let row = row.ok_or_else(|| damaged(&hex(hash)))?;
        let body: &[u8] = row.column("body")?;
        Ok(Bytes::copy_from_slice(body))
    }
}

impl Upload<'_> {
    async fn push(&mut self, piece: &[u8]) -> Result<(), Problem> {
        self.hash.update(piece);
        self.size += piece.len() as u64;
        for part in piece.chunks(CHUNK_BYTES) {
            self.held.extend_from_slice(part);
            // The last chunk stays, full as it may be: a blob of one chunk needs no place.
            while self.held.len() > CHUNK_BYTES {
                let rest = self.held.split_off(CHUNK_BYTES);
                let chunk = std::mem::replace(&mut self.held, rest);
                self.write(&chunk).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let place = match self.place {
            Some(place) => place,
            None => *self.place.insert(place_of_chance()?),
        };
        let (lane, workspace, place) = (&self.store.lane, &self.workspace.0, place.as_slice());
        if self.chunks % RENEW_CHUNKS == 0 {
            let (size, until) = (self.size as i64, self.store.after(UPLOADING));
            lane.execute(&blobs::BEGIN, &[workspace, &place, &size, &until]).await?;
        }
        lane.execute(&blobs::ADD_CHUNK, &[workspace, &place, &self.chunks, &chunk]).await?;
        self.chunks += 1;
        Ok(())
    }

    /// The blob's key.
    async fn finish(mut self) -> Result<String, Problem> {
        let until = self.store.after(WRITING);
        if self.place.is_none() {
            return self.store.put_until(self.workspace, &self.held, until).await;
        }
        let last = std::mem::take(&mut self.held);
        self.write(&last).await?;
        let hash = std::mem::replace(&mut self.hash, Context::new(&SHA256)).finish();
        let hash: Hash = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
        let moved = self.name(&hash).await;
        self.give_up().await;
        moved.map(|()| hex(&hash))
    }

    /// Gives the chunks to the blob of their hash. Its row comes first and with time to live, so that
    /// it cannot expire between the two.
    async fn name(&self, hash: &Hash) -> Result<(), Problem> {
        let Some(place) = self.place else { return Ok(()) };
        let (lane, workspace) = (&self.store.lane, &self.workspace.0);
        let (hash, place) = (hash.as_slice(), place.as_slice());
        let (size, until) = (self.size as i64, self.store.after(WRITING));
        for attempt in 1.. {
            lane.execute(&blobs::BEGIN, &[workspace, &hash, &size, &until]).await?;
            let moved = lane.execute(&blobs::MOVE_CHUNKS, &[workspace, &place, &hash]).await;
            match moved {
                Ok(_) => break,
                // Somebody writes the same bytes at the same moment: look again.
                Err(error) if error.constraint().is_some() && attempt < ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
        match lane.execute(&blobs::SEAL, &[workspace, &hash, &until]).await? {
            0 => {
                tracing::error!("a blob expired while it was written");
                Err(Problem::internal())
            }
            _ => Ok(()),
        }
    }

    /// Deletes what is left under the name of chance; what cannot be deleted expires.
    async fn give_up(&self) {
        let Some(place) = self.place else { return };
        let parameters: db::Parameters<'_> = &[&self.workspace.0, &place.as_slice()];
        if let Err(error) = self.store.lane.execute(&blobs::DROP, parameters).await {
            tracing::debug!(error = %error, "the chunks of an upload are left to expire");
        }
    }
}

fn place_of_chance() -> Result<Hash, Problem> {
    let mut place = [0; 32];
    aws_lc_rs::rand::fill(&mut place).map_err(|_| {
        tracing::error!("the library for cryptography gives no random bytes");
        Problem::internal()
    })?;
    Ok(place)
}
