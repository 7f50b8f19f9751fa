//! `SSLCLIENTCERTSEARCHCRITERIA`: which certificate a device shows (w7 APPLICATION CSP).

use percent_encoding::percent_decode_str;

/// Whether a certificate in `store` with this subject (`CN=a, O=b`) is one that the criteria find. They are pairs
/// joined with `&`, percent-encoded; only `Subject` and `Stores` count, and U+F000 stands between several values.
pub(super) fn matches(criteria: &str, store: &str, subject: &str) -> bool {
    let mut has_subject = false;
    for pair in criteria.split('&') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = percent_decode_str(value).decode_utf8_lossy();
        let mut values = value.split('\u{F000}');
        let fits = match name {
            "Subject" => {
                has_subject = true;
                values.any(|wanted| parts(wanted) == parts(subject))
            }
            "Stores" => values.any(|wanted| wanted.eq_ignore_ascii_case(store)),
            _ => true,
        };
        if !fits {
            return false;
        }
    }
    has_subject
}

/// The parts of a name in some order, types in upper case.
fn parts(name: &str) -> Vec<String> {
    let part = |part: &str| match part.split_once('=') {
        Some((kind, value)) => format!("{}={}", kind.trim().to_ascii_uppercase(), value.trim()),
        None => part.trim().to_owned(),
    };
    let mut parts: Vec<String> = name.split(',').map(part).collect();
    parts.sort();
    parts
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn criteria_find_a_certificate_by_subject_and_store() {
        let check = |criteria: &str, store: &str, subject: &str, expected: bool| {
            let found = matches(criteria, store, subject);
            assert_eq!(found, expected, "{criteria} {store} {subject}");
        };
        let documented = "Subject=CN%3DTester,O%3DMicrosoft&Stores=My%5CUser";
        check(documented, "My\\User", "CN=Tester, O=Microsoft", true);
        check(documented, "MY\\user", "O=Microsoft, CN=Tester", true);
        check(documented, "My\\System", "CN=Tester, O=Microsoft", false);
        check(documented, "My\\User", "CN=Tester", false);
        let both = "Subject=CN%3DA&Stores=My%5CUser%EF%80%80My%5CSystem";
        check(both, "My\\System", "CN=A", true);
        check("Subject=CN%3DA&Other=1", "My\\User", "CN=A", true);
        check("Stores=My%5CUser", "My\\User", "CN=A", false);
        check("", "My\\User", "CN=A", false);
        check("Subject=CN%3", "My\\User", "CN=A", false);
    }
}
