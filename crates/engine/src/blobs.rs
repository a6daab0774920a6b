//! Large bodies and files: content-addressed, per workspace, in chunks.
//!
//! A blob is named by the SHA-256 of its bytes and belongs to one workspace; the same bytes in two
//! workspaces are two blobs. It is durable when [`BlobStore::put`] returns, before any record names
//! it. A run that names it says how long it is needed; maintenance deletes what expired.

mod streams;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use db::{Columns, Database, Lane};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;
use kernel::item::BinaryRef;
use kernel::{Clock, Problem, WorkspaceId, codes, fault};
use node::FileStream;

use crate::flusher::columns::Micros;
use crate::store::{blobs, lane_settings};

/// Bytes of one chunk.
const CHUNK_BYTES: usize = 1024 * 1024;
/// How long an unfinished blob may take to be written.
const WRITING: Duration = Duration::from_secs(24 * 3600);
/// Attempts to write a blob whose row keeps expiring while it is written.
const ATTEMPTS_MAX: u32 = 3;

/// The store of blobs; cheap to clone. A connection of its own as `forge_engine`, so that a large
/// file never stands in front of a flush.
#[derive(Clone)]
pub struct BlobStore {
    lane: Lane,
    clock: Arc<dyn Clock>,
    keep: Duration,
}

/// A blob's hash as stored.
type Hash = [u8; 32];

impl BlobStore {
    /// A store whose blobs are kept for `keep` after they were written, and as long as those who name
    /// them say by `keep_until`: the engine does so for its runs.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(database: Database, clock: Arc<dyn Clock>, keep: Duration) -> Self {
        Self { lane: Lane::new(database, lane_settings("blobs")), clock, keep }
    }

    /// Stores bytes and returns their key: lower-case hexadecimal SHA-256. Durable when it returns.
    pub async fn put_bytes(&self, workspace: WorkspaceId, bytes: &[u8]) -> Result<String, Problem> {
        self.put_until(workspace, bytes, self.expiry()).await
    }

    /// Stores bytes at least until then.
    async fn put_until(
        &self,
        workspace: WorkspaceId,
        bytes: &[u8],
        expires: Micros,
    ) -> Result<String, Problem> {
        let hash = sha256(bytes);
        let hashes: [&[u8]; 1] = [&hash];
        let parameters: db::Parameters<'_> = &[&workspace.0, &hashes.as_slice(), &expires];
        let known = self.lane.query_opt(&blobs::TOUCH, parameters).await?;
        if known.is_none() {
            self.write(workspace, &hash, bytes, expires).await?;
        }
        fault!("blob.written");
        Ok(hex(&hash))
    }

    async fn write(
        &self,
        workspace: WorkspaceId,
        hash: &Hash,
        bytes: &[u8],
        expires: Micros,
    ) -> Result<(), Problem> {
        let size = bytes.len() as i64;
        let hash = hash.as_slice();
        if bytes.len() <= CHUNK_BYTES {
            let parameters: db::Parameters<'_> = &[&workspace.0, &hash, &size, &expires, &bytes];
            self.lane.execute(&blobs::ADD_SMALL, parameters).await?;
            return Ok(());
        }
        for _ in 0..ATTEMPTS_MAX {
            let unfinished = self.after(WRITING);
            self.lane.execute(&blobs::BEGIN, &[&workspace.0, &hash, &size, &unfinished]).await?;
            for (chunk, body) in (0_i32..).zip(bytes.chunks(CHUNK_BYTES)) {
                self.lane.execute(&blobs::ADD_CHUNK, &[&workspace.0, &hash, &chunk, &body]).await?;
            }
            if self.lane.execute(&blobs::SEAL, &[&workspace.0, &hash, &expires]).await? > 0 {
                return Ok(());
            }
        }
        tracing::error!("a blob expired each time while it was written");
        Err(Problem::internal())
    }

    /// The bytes of a key; `None` when the workspace has no such blob.
    pub async fn get_bytes(
        &self,
        workspace: WorkspaceId,
        key: &str,
    ) -> Result<Option<Bytes>, Problem> {
        let Some(hash) = unhex(key) else { return Ok(None) };
        let hash = hash.as_slice();
        let row = self.lane.query_opt(&blobs::FIND, &[&workspace.0, &hash]).await?;
        let Some(row) = row else { return Ok(None) };
        let size: i64 = row.column("size")?;
        let size = usize::try_from(size).map_err(|_| damaged(key))?;
        let mut bytes = Vec::with_capacity(size);
        for chunk in 0_i32.. {
            if bytes.len() >= size && chunk > 0 {
                break;
            }
            let row = self.lane.query_opt(&blobs::CHUNK, &[&workspace.0, &hash, &chunk]).await?;
            let Some(row) = row else { return Err(damaged(key)) };
            bytes.extend_from_slice(row.column("body")?);
        }
        if bytes.len() == size { Ok(Some(bytes.into())) } else { Err(damaged(key)) }
    }

    /// Some bytes of a key, at most to its end: only the chunks they lie in are read. `None` when the
    /// workspace has no such blob.
    pub async fn get_range(
        &self,
        workspace: WorkspaceId,
        key: &str,
        from: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let Some(hash) = unhex(key) else { return Ok(None) };
        let hash = hash.as_slice();
        let row = self.lane.query_opt(&blobs::FIND, &[&workspace.0, &hash]).await?;
        let Some(row) = row else { return Ok(None) };
        let size: i64 = row.column("size")?;
        let end = from.saturating_add(length).min(size.unsigned_abs());
        let mut bytes = Vec::new();
        let chunk_bytes = CHUNK_BYTES as u64;
        let mut at = from;
        while at < end {
            let chunk = i32::try_from(at / chunk_bytes).map_err(|_| damaged(key))?;
            let row = self.lane.query_opt(&blobs::CHUNK, &[&workspace.0, &hash, &chunk]).await?;
            let Some(row) = row else { return Err(damaged(key)) };
            let body: &[u8] = row.column("body")?;
            let first = (at % chunk_bytes) as usize;
            let last = ((end - at) as usize).saturating_add(first).min(body.len());
            let Some(part) = body.get(first..last).filter(|part| !part.is_empty()) else {
                return Err(damaged(key));
            };
            bytes.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(Some(bytes))
    }

    fn expiry(&self) -> Micros {
        self.after(self.keep)
    }

    fn after(&self, span: Duration) -> Micros {
        Micros::of(self.clock.now().checked_add(span).unwrap_or(Timestamp::MAX))
    }
}

impl node::Blobs for BlobStore {
    fn put<'a>(
        &'a self,
        workspace: WorkspaceId,
        bytes: Vec<u8>,
    ) -> BoxFuture<'a, Result<BinaryRef, Problem>> {
        Box::pin(async move {
            let blob = self.put_bytes(workspace, &bytes).await?;
            Ok(BinaryRef {
                blob,
                mime_type: "application/octet-stream".to_owned(),
                file_name: None,
                size: bytes.len() as u64,
            })
        })
    }

    fn get<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, Problem>> {
        Box::pin(async move {
            let bytes = self.get_bytes(workspace, blob).await?;
            bytes.map(Vec::from).ok_or_else(|| missing(blob))
        })
    }

    fn get_part<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
        from: u64,
        length: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, Problem>> {
        Box::pin(async move {
            let bytes = self.get_range(workspace, blob, from, length).await?;
            bytes.ok_or_else(|| missing(blob))
        })
    }

    fn keep_until<'a>(
        &'a self,
        workspace: WorkspaceId,
        keys: &'a [String],
        until: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Problem>> {
        Box::pin(async move {
            let hashes: Vec<Hash> = keys.iter().filter_map(|key| unhex(key)).collect();
            let hashes: Vec<&[u8]> = hashes.iter().map(Hash::as_slice).collect();
            let parameters: db::Parameters<'_> = &[&workspace.0, &hashes, &Micros::of(until)];
            Ok(self.lane.query(&blobs::KEEP, parameters).await?.len())
        })
    }

    fn put_stream<'a>(
        &'a self,
        workspace: WorkspaceId,
        pieces: BoxStream<'a, Result<Bytes, Problem>>,
    ) -> BoxFuture<'a, Result<BinaryRef, Problem>> {
        Box::pin(self.put_pieces(workspace, pieces))
    }

    fn keep<'a>(
        &'a self,
        workspace: WorkspaceId,
        blobs: &'a [String],
    ) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            if !blobs.is_empty() {
                let until = self.clock.now().checked_add(self.keep).unwrap_or(Timestamp::MAX);
                self.keep_until(workspace, blobs, until).await?;
            }
            Ok(())
        })
    }

    fn get_stream<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
    ) -> BoxFuture<'a, Result<FileStream, Problem>> {
        Box::pin(self.get_pieces(workspace, blob))
    }
}

fn missing(key: &str) -> Problem {
    Problem::new(codes::FILE_NOT_FOUND, format!("The file {key} is not stored (any more)."))
}

fn damaged(key: &str) -> Problem {
    tracing::error!(blob.key = key, "a blob's chunks do not make up its size");
    Problem::internal()
}

fn sha256(bytes: &[u8]) -> Hash {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn hex(hash: &Hash) -> String {
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).expect("four bits are one digit")
}

/// Reads exactly what [`hex`] writes.
fn unhex(key: &str) -> Option<Hash> {
    let digits = key.as_bytes();
    if digits.len() != 64 || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_anything_else_is_none() {
        let hash = sha256(b"forge");
        let key = hex(&hash);
        assert_eq!(unhex(&key), Some(hash));
        for wrong in ["", "zz", &key[..63], &key.to_uppercase(), &format!("{}é", &key[..62])] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }
}
