//! Frames: four bytes of length (little-endian), then that many bytes of JSON.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The child's side of reading. `None` when the parent has closed the pipe.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

/// The child's side of writing.
pub(crate) fn write(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    to.write_all(&length(body)?)?;
    to.write_all(body)?;
    to.flush()
}

/// The parent's side of reading; refuses frames longer than `max`.
pub(crate) async fn receive(
    from: &mut (impl AsyncRead + Unpin),
    max: u64,
) -> io::Result<Result<Vec<u8>, TooLong>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length);
    if u64::from(length) > max {
        return Ok(Err(TooLong));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body).await?;
    Ok(Ok(body))
}

/// The parent's side of writing.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> io::Result<()> {
    to.write_all(&length(body)?).await?;
    to.write_all(body).await?;
    to.flush().await
}

/// A frame longer than its reader accepts.
#[derive(Debug)]
pub(crate) struct TooLong;

fn length(body: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(body.len())
        .map(u32::to_le_bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame of more than 4 GiB"))
}
