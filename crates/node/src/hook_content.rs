//! What a signature covers: text with placeholders for parts of the request.

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentPart {
    /// These characters.
    Text(String),
    /// The body as it was sent.
    Body,
    /// The text of the timestamp as it was sent.
    Timestamp,
    /// The method, upper case.
    Method,
    /// The path as it was sent, without the query.
    Path,
    /// The query as it was sent, without the question mark.
    Query,
    /// The value of this header; empty when it was not sent.
    Header(String),
}

/// Reads `{timestamp}.{body}` and its kind; the error says what is wrong.
pub fn parse_content(text: &str) -> Result<Vec<ContentPart>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(ContentPart::Text(before.to_owned()));
        }
        let Some((name, after)) = behind.split_once('}') else {
            return Err("A \"{\" is not closed.".to_owned());
        };
        parts.push(placeholder(name)?);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(ContentPart::Text(rest.to_owned()));
    }
    if !parts.contains(&ContentPart::Body) {
        return Err("There is no {body} in it: the body would not be protected.".to_owned());
    }
    Ok(parts)
}

fn placeholder(name: &str) -> Result<ContentPart, String> {
    Ok(match name {
        "body" => ContentPart::Body,
        "timestamp" => ContentPart::Timestamp,
        "method" => ContentPart::Method,
        "path" => ContentPart::Path,
        "query" => ContentPart::Query,
        _ => match name.strip_prefix("header:") {
            Some(header) if !header.is_empty() => ContentPart::Header(header.to_owned()),
            _ => {
                return Err(format!(
                    "There is no {{{name}}}: use {{body}}, {{timestamp}}, {{method}}, {{path}}, \
                     {{query}} or {{header:NAME}}."
                ));
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_text_between_them_are_told_apart() {
        let text = |text: &str| ContentPart::Text(text.to_owned());
        let parts = parse_content("v0:{timestamp}:{body}").unwrap();
        assert_eq!(parts, [text("v0:"), ContentPart::Timestamp, text(":"), ContentPart::Body]);
        let parts = parse_content("{header:webhook-id}.{body}").unwrap();
        assert_eq!(parts[0], ContentPart::Header("webhook-id".to_owned()));
        for (wrong, says) in [
            ("{body", "not closed"),
            ("{bodi}", "{bodi}"),
            ("x", "no {body}"),
            ("{header:}{body}", "header:"),
        ] {
            let error = parse_content(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
