//! The part of Markdown that our own pages use, as HTML: headings, paragraphs, lists, tables, code.

use std::fmt::Write as _;

/// Renders a page of ours. It comes from the program itself, yet everything is escaped.
pub(crate) fn html(text: &str) -> String {
    let mut page = String::with_capacity(text.len() * 2);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("```") {
            let _ = write!(page, "<pre><code class=\"language-{}\">", escape(rest.trim()));
            for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                page.push_str(&escape(line));
                page.push('\n');
            }
            page.push_str("</code></pre>\n");
        } else if let Some((level, title)) = heading(line) {
            let _ = writeln!(page, "<h{level}>{}</h{level}>", inline(title));
        } else if line.starts_with('|') {
            let mut rows = vec![line];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(row);
            }
            table(&mut page, &rows);
        } else if line.starts_with("- ") {
            let mut items = vec![line.trim_start_matches("- ").to_owned()];
            while let Some(next) = lines.next_if(|line| line.starts_with(['-', ' '])) {
                match (next.strip_prefix("- "), items.last_mut()) {
                    (Some(item), _) => items.push(item.to_owned()),
                    (None, Some(item)) => *item = format!("{item} {}", next.trim()),
                    (None, None) => {}
                }
            }
            page.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(page, "<li>{}</li>", inline(&item));
            }
            page.push_str("</ul>\n");
        } else if !line.trim().is_empty() {
            let mut paragraph = line.to_owned();
            while let Some(next) = lines.next_if(|line| {
                !line.trim().is_empty()
                    && !line.starts_with(['|', '#', '`'])
                    && !line.starts_with("- ")
                    || line.starts_with('`') && !line.starts_with("```")
            }) {
                paragraph = format!("{paragraph} {}", next.trim());
            }
            let _ = writeln!(page, "<p>{}</p>", inline(&paragraph));
        }
    }
    page
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?;
    (1..=4).contains(&level).then_some((level, title))
}

fn table(page: &mut String, rows: &[&str]) {
    page.push_str("<table>\n");
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if index == 1 && cells.iter().all(|cell| cell.bytes().all(|byte| b"-: ".contains(&byte))) {
            continue;
        }
        let tag = if index == 0 { "th" } else { "td" };
        page.push_str("<tr>");
        for cell in cells {
            let _ = write!(page, "<{tag}>{}</{tag}>", inline(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

/// Code, links and strong words of one line.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        out.push_str(&escape(&rest[..at]));
        let from = &rest[at..];
        let taken = match from.as_bytes()[0] {
            b'`' => code(from),
            b'[' => link(from),
            _ => strong(from),
        };
        let (html, length) = taken.unwrap_or_else(|| (escape(&from[..1]), 1));
        out.push_str(&html);
        rest = &from[length..];
    }
    out.push_str(&escape(rest));
    out
}

fn code(from: &str) -> Option<(String, usize)> {
    let end = from[1..].find('`')? + 1;
    Some((format!("<code>{}</code>", escape(&from[1..end])), end + 1))
}

fn link(from: &str) -> Option<(String, usize)> {
    let close = from.find("](")?;
    let end = close + from[close..].find(')')?;
    let (title, target) = (&from[1..close], &from[close + 2..end]);
    // Pages of codes stand beside each other; other pages are not served.
    let href = match target.strip_suffix(".md") {
        Some("README") => "/errors".to_owned(),
        Some(code) if !code.contains('/') => format!("/errors/{code}"),
        _ if target.starts_with("https://") || target.starts_with('/') => target.to_owned(),
        _ => return Some((inline(title), end + 1)),
    };
    let href = escape(&href);
    Some((format!("<a href=\"{href}\">{}</a>", inline(title)), end + 1))
}

fn strong(from: &str) -> Option<(String, usize)> {
    let end = from.strip_prefix("**")?.find("**")? + 2;
    Some((format!("<strong>{}</strong>", inline(&from[2..end])), end + 2))
}

/// Text as it may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_our_pages_use_becomes_html_and_nothing_else_does() {
        let page = html(
            "# A `b`\n\none\ntwo <x>\n\n- **c** [d](e.md)\n  more\n- f\n\n```sh\nls <a>\n```\n\n| h |\n|---|\n| [i](i.md) |\n",
        );
        assert_eq!(
            page,
            "<h1>A <code>b</code></h1>\n<p>one two &lt;x&gt;</p>\n<ul>\n\
             <li><strong>c</strong> <a href=\"/errors/e\">d</a> more</li>\n<li>f</li>\n</ul>\n\
             <pre><code class=\"language-sh\">ls &lt;a&gt;\n</code></pre>\n\
             <table>\n<tr><th>h</th></tr>\n<tr><td><a href=\"/errors/i\">i</a></td></tr>\n</table>\n"
        );
    }

    #[test]
    fn every_line_is_read_to_its_end() {
        assert_eq!(inline("a * b [c `d"), "a * b [c `d");
        assert_eq!(inline("[x](javascript:alert)"), "x");
    }
}
