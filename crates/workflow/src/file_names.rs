//! Names of people as names of files and folders.

/// What no file system takes everywhere.
const REFUSED: &str = "/\\:*?\"<>|";

/// A name as file systems take it; two names may become one.
pub(crate) fn shown(name: &str) -> String {
    let plain = |c: char| {
        let refused = c.is_control() || REFUSED.contains(c);
        if refused { '-' } else { c }
    };
    let name: String = name.chars().map(plain).collect();
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() { "workflow".to_owned() } else { name.to_owned() }
}

/// A name as file systems take it, which [`read`] reads back: what they refuse stands as `%2F`.
pub(crate) fn written(name: &str) -> String {
    let last = name.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(name.len());
    for (at, c) in name.chars().enumerate() {
        let at_an_end = (at == 0 || at == last) && matches!(c, '.' | ' ');
        // Control characters and the refused ones are a single byte, or two beyond ASCII.
        if at_an_end || c == '%' || c.is_control() || REFUSED.contains(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The name that [`written`] was given. Of what people wrote themselves a `%` without two digits after
/// it stays, and so does all of a name that would not be text.
pub(crate) fn read(name: &str) -> String {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        });
        out.push(code.unwrap_or(*byte));
        rest = &after[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(out).unwrap_or_else(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_it_was_written_and_no_folder_leads_elsewhere() {
        for name in
            ["Default", "Ärger", "A/B", "..", ".", " x ", "50% off", "%2F", "a\u{85}b\n", "*"]
        {
            let folder = written(name);
            assert_eq!(read(&folder), name);
            assert!(!folder.contains('/') && folder != ".." && folder != ".", "{folder}");
        }
        assert_eq!(written("Ärger"), "Ärger");
        assert_eq!(read("50% off"), "50% off");
        assert_eq!(read("%ff"), "%ff");
    }
}
