//! Cursors: the key of a page's last row, signed, so that only what a list gave out is taken back.
//!
//! A cursor is `base64url(mac ‖ json)`. The mac is HMAC-SHA-256, cut to 16 bytes, over the cursor's
//! scope (function, workspace, path, filters, order) and the key; its secret is made once for each
//! installation.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Problem, codes, json};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the mac that are sent.
const MAC_BYTES: usize = 16;

/// The installation's secret. Cheap to clone.
pub(crate) type CursorKey = Arc<hmac::Key>;

/// A key of this secret.
pub(crate) fn cursor_key(secret: &[u8]) -> CursorKey {
    Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

/// The cursors of one list.
#[derive(Clone)]
pub(crate) struct Cursors {
    key: CursorKey,
    scope: [u8; 32],
}

impl Cursors {
    pub(crate) fn new(key: CursorKey, scope: [u8; 32]) -> Self {
        Self { key, scope }
    }

    /// The cursor behind a row with this key.
    pub(crate) fn make(&self, row: &impl Serialize) -> String {
        let text = serde_json::to_vec(row).unwrap_or_default();
        let mut cursor = self.mac(&text).to_vec();
        cursor.extend_from_slice(&text);
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// The key in a cursor.
    ///
    /// # Errors
    /// `request.cursor` when this list did not make it.
    pub(crate) fn open<K: DeserializeOwned>(&self, cursor: &str) -> Result<K, Problem> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (mac, text) = bytes.split_at_checked(MAC_BYTES)?;
            verify_slices_are_equal(mac, &self.mac(text)).ok()?;
            json::from_value(json::parse(text).ok()?.value).ok()
        };
        read().ok_or_else(|| {
            let what = "is not the `next` of a page of this list with these filters";
            let detail = format!("`cursor` {what}; begin again without it.");
            Problem::new(codes::REQUEST_CURSOR, detail).at(
                "/query/cursor",
                codes::REQUEST_CURSOR,
                what,
            )
        })
    }

    fn mac(&self, text: &[u8]) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&self.scope);
        context.update(text);
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&context.sign().as_ref()[..MAC_BYTES]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_in_its_own_list_only_and_as_it_was() {
        let key = cursor_key(&[7; 32]);
        let list = Cursors::new(Arc::clone(&key), [1; 32]);
        let cursor = list.make(&("name", 5));
        assert_eq!(list.open::<(String, i64)>(&cursor).unwrap(), ("name".to_owned(), 5));
        let elsewhere = [
            Cursors::new(key, [2; 32]).open::<(String, i64)>(&cursor),
            Cursors::new(cursor_key(&[8; 32]), [1; 32]).open(&cursor),
        ];
        for refused in elsewhere {
            assert_eq!(refused.unwrap_err().code, codes::REQUEST_CURSOR);
        }
        let forged = URL_SAFE_NO_PAD.encode([&[0; MAC_BYTES], b"[\"name\",6]".as_slice()].concat());
        for wrong in [forged.as_str(), "", "!", &cursor[1..], &cursor[..cursor.len() - 2]] {
            assert_eq!(list.open::<(String, i64)>(wrong).unwrap_err().code, codes::REQUEST_CURSOR);
        }
    }
}
