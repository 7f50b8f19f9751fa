//! The words of a page in HTML that a server sends in place of an answer.

use http::StatusCode;

use crate::record::html::visible;

/// Returns the title of a page or, if that says no more than the HTTP status, the text of its body.
pub(super) fn words(html: &str, status: u16) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let title = element(html, &lower, "title").map(text_of);
    let title = title.unwrap_or_default();
    if says_more(&title, status) {
        return Some(title);
    }
    let after = |tag: &str| lower.rfind(tag).map(|at| at + tag.len());
    let begin = after("</head>").or_else(|| after("</title>"));
    let body = text_of(&html[begin.unwrap_or_default()..]);
    let words = match says_more(&body, status) {
        true => body,
        false => title,
    };
    (!words.is_empty()).then_some(words)
}

/// Returns what stands in the first element with this name; `lower` is the page in small letters.
fn element<'h>(html: &'h str, lower: &str, name: &str) -> Option<&'h str> {
    let start = lower.find(&format!("<{name}"))?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find(&format!("</{name}"))?;
    html.get(start..end)
}

/// Returns the visible text with single blanks.
fn text_of(html: &str) -> String {
    let text = visible(html);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text says more than the number and the name of an HTTP status.
fn says_more(text: &str, status: u16) -> bool {
    let name = StatusCode::from_u16(status).ok();
    let name = name.and_then(|status| status.canonical_reason());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|c: char| !c.is_alphabetic());
    words.any(|word| {
        !word.is_empty()
            && !["error", "http", "status"].contains(&word)
            && !name
                .split(|c: char| !c.is_alphabetic())
                .any(|it| it == word)
    })
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_page_says_its_cause_in_its_title_or_else_in_its_body() {
        for (html, status, expected) in [
            (
                "<html><head><title>Sign in</title></head><body>Please",
                200,
                "Sign in",
            ),
            (
                "<title>Error</title></head><body><pre>Cannot POST /MDM.svc</pre>",
                404,
                "Cannot POST /MDM.svc",
            ),
            (
                "<head><style>h1 { }</style></head><h1>Forbidden <span>(403)</span></h1>\n<p>CSRF&nbsp;failed &amp;lt;",
                403,
                "Forbidden (403) CSRF failed &lt;",
            ),
            (
                "<TITLE>403 Forbidden</TITLE><h1>403 Forbidden</h1>",
                403,
                "403 Forbidden",
            ),
            ("<script>let cause = 1;</script>plain", 500, "plain"),
            (
                "Many servers send text as HTML",
                500,
                "Many servers send text as HTML",
            ),
            ("<p", 500, ""),
        ] {
            assert_eq!(words(html, status).unwrap_or_default(), expected, "{html}");
        }
    }
}
