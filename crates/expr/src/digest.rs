//! Pure functions on texts that JavaScript cannot do itself: digests and base64.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use md5::Digest;

/// The digest of a text in UTF-8, as lower-case hexadecimal.
pub(crate) fn hash(text: &str, algorithm: &str) -> Result<String, String> {
    let algorithm = match algorithm.to_ascii_lowercase().replace('-', "").as_str() {
        "md5" => return Ok(hexadecimal(&md5::Md5::digest(text.as_bytes()))),
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        "sha3" | "sha3512" => &digest::SHA3_512,
        "sha3256" => &digest::SHA3_256,
        "sha3384" => &digest::SHA3_384,
        _ => {
            return Err(format!(
                "There is no digest '{algorithm}'. Use md5, sha1, sha224, sha256, sha384, sha512 \
                 or sha3."
            ));
        }
    };
    Ok(hexadecimal(digest::digest(algorithm, text.as_bytes()).as_ref()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text in UTF-8 as base64 with padding.
pub(crate) fn base64_encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// The text of a base64 form, with or without padding, of either alphabet; bytes that are not
/// UTF-8 become U+FFFD, and a text that is not base64 is empty.
pub(crate) fn base64_decode(text: &str) -> String {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let plain: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let bytes = engine.decode(plain).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
