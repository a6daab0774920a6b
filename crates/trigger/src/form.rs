//! Forms: `a=1&b=2` and `multipart/form-data`.

use bytes::Bytes;
use kernel::{Object, Problem, Value, codes};

use crate::item::File;

/// Parts one multipart body may have.
const PARTS_MAX: usize = 1_000;

/// Name and value pairs of a query string or an urlencoded body. What is not UTF-8 after decoding
/// gets U+FFFD.
pub(crate) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
        })
        .collect()
}

fn decoded(text: &[u8]) -> String {
    if text.iter().all(|byte| !matches!(byte, b'+' | b'%')) {
        return String::from_utf8_lossy(text).into_owned();
    }
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

/// An object of the pairs; a name that comes several times gets a list.
pub(crate) fn object(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let mut object = Object::new();
    for (name, value) in pairs {
        let value = Value::String(value);
        match object.get_mut(&name) {
            None => {
                object.insert(name, value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    Value::Object(object)
}

/// What a multipart body holds.
#[derive(Default)]
pub(crate) struct Multipart {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) files: Vec<(String, File)>,
}

/// Reads `multipart/form-data` (RFC 7578). Parts with a file name are files, the others fields.
pub(crate) fn multipart(content_type: &str, whole: &Bytes) -> Result<Multipart, Problem> {
    let malformed = |what: &str| {
        let detail = format!("The body is not multipart/form-data: {what}.");
        Problem::new(codes::REQUEST_MALFORMED, detail)
    };
    let boundary = parameter(content_type, "boundary")
        .filter(|boundary| (1..=200).contains(&boundary.len()))
        .ok_or_else(|| malformed("the content type names no boundary"))?;
    let body: &[u8] = whole;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter may stand at the very beginning, without a line break before it.
    let mut rest = match body.strip_prefix(&delimiter.as_bytes()[2..]) {
        Some(rest) => rest,
        None => {
            let at = find(body, delimiter.as_bytes());
            let at = at.ok_or_else(|| malformed("its first boundary is missing"))?;
            &body[at + delimiter.len()..]
        }
    };
    let mut form = Multipart::default();
    for _ in 0..PARTS_MAX {
        if rest.starts_with(b"--") {
            return Ok(form);
        }
        let start = find(rest, b"\r\n").ok_or_else(|| malformed("a boundary does not end"))? + 2;
        let end = find(rest, delimiter.as_bytes())
            .filter(|end| *end + 2 >= start)
            .ok_or_else(|| malformed("its last boundary is missing"))?;
        let part = rest.get(start..end).unwrap_or_default();
        read_part(whole, part, &mut form).ok_or_else(|| malformed("a part has no name"))?;
        rest = &rest[end + delimiter.len()..];
    }
    Err(malformed("it has more than 1000 parts"))
}

fn read_part(whole: &Bytes, part: &[u8], form: &mut Multipart) -> Option<()> {
    let head_end = find(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&part[..head_end]);
    let bytes = &part[head_end + 4..];
    let header = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition")?;
    let name = parameter(&disposition, "name")?;
    match parameter(&disposition, "filename") {
        Some(file_name) => form.files.push((
            name,
            File {
                bytes: whole.slice_ref(bytes),
                mime_type: header("content-type")
                    .unwrap_or_else(|| "application/octet-stream".to_owned()),
                file_name: Some(file_name).filter(|name| !name.is_empty()),
            },
        )),
        None => form.fields.push((name, String::from_utf8_lossy(bytes).into_owned())),
    }
    Some(())
}

/// A parameter of a header's value: `form-data; name="a"`. Browsers escape quotes as `%22`.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = &value[value.find(';')? + 1..];
    loop {
        let (name, after) = rest.split_once('=')?;
        let (text, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                let next = quoted[end + 1..].trim_start().strip_prefix(';');
                (quoted[..end].replace("%22", "\""), next)
            }
            None => match after.split_once(';') {
                Some((text, next)) => (text.trim().to_owned(), Some(next)),
                None => (after.trim().to_owned(), None),
            },
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = next?;
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_that_comes_several_times_gets_a_list() {
        let value = object(pairs(b"a=1&b=x%20y&a=2&a=&c"));
        assert_eq!(value, json!({"a": ["1", "2", ""], "b": "x y", "c": ""}));
    }

    #[test]
    fn a_multipart_body_gives_fields_and_files() {
        let body = b"--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"up\"; filename=\"a.csv\"\r\n\
            Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n\r\n--xx--\r\n";
        let body = Bytes::from_static(body);
        let form = multipart("multipart/form-data; boundary=xx", &body).unwrap();
        assert_eq!(form.fields, [("note".to_owned(), "hello".to_owned())]);
        let (name, file) = &form.files[0];
        assert_eq!((name.as_str(), file.mime_type.as_str()), ("up", "text/csv"));
        assert_eq!(file.file_name.as_deref(), Some("a.csv"));
        assert_eq!(&file.bytes[..], b"a,b\r\n1,2\r\n");
    }

    #[test]
    fn an_unfinished_multipart_body_is_refused_and_never_panics() {
        let whole = b"--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--xx--";
        let whole = Bytes::from_static(whole);
        assert!(multipart("multipart/form-data; boundary=xx", &whole).is_ok());
        for end in 0..whole.len() - 2 {
            let cut = whole.slice(..end);
            assert!(multipart("multipart/form-data; boundary=xx", &cut).is_err(), "{end}");
        }
        assert!(multipart("multipart/form-data", &whole).is_err());
    }
}
