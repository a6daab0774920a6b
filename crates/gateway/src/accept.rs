//! What a caller wants to read: the header `accept`.

use axum::http::{HeaderMap, header};

/// How much the caller wants a media type, 0 (not at all) to 1; without `accept` anything goes.
pub(crate) fn weight(headers: &HeaderMap, media_type: &str) -> f32 {
    let mut sent = headers.get_all(header::ACCEPT).iter().peekable();
    if sent.peek().is_none() {
        return 1.0;
    }
    let texts = sent.filter_map(|value| value.to_str().ok());
    let ranges = texts.flat_map(|text| text.split(',')).filter_map(range);
    // The most exact range that matches decides.
    let matching =
        ranges.filter_map(|(range, quality)| Some((exactness(range, media_type)?, quality)));
    matching.max_by_key(|(exactness, _)| *exactness).map_or(0.0, |(_, quality)| quality)
}

/// The media type of these that the caller wants most; the first of those wanted equally.
pub(crate) fn choose<'t>(headers: &HeaderMap, offered: &[&'t str]) -> Option<&'t str> {
    let mut best = None;
    for media_type in offered {
        let weight = weight(headers, media_type);
        if weight > best.map_or(0.0, |(_, known)| known) {
            best = Some((*media_type, weight));
        }
    }
    best.map(|(media_type, _)| media_type)
}

fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    // A weight that is none is read as none given.
    Some((range, quality.and_then(|text| text.parse().ok()).unwrap_or(1.0)))
}

fn exactness(range: &str, media_type: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    match range.split_once('/')? {
        ("*", "*") => Some(0),
        (kind, "*") => {
            let (own, _) = media_type.split_once('/')?;
            own.eq_ignore_ascii_case(kind).then_some(1)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers
    }

    #[test]
    fn the_most_exact_range_decides_and_the_heaviest_type_is_chosen() {
        let browser = headers("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        assert_eq!(choose(&browser, &["application/json", "text/html"]), Some("text/html"));
        assert_eq!(weight(&headers("*/*, application/json;q=0"), "application/json"), 0.0);
        assert_eq!(weight(&headers("application/*"), "application/json"), 1.0);
        assert_eq!(choose(&headers("image/png"), &["application/json"]), None);
        assert_eq!(choose(&HeaderMap::new(), &["text/html", "text/markdown"]), Some("text/html"));
    }
}
