//! `SSLCLIENTCERTSEARCHCRITERIA`: selects the certificate that a device presents (w7 APPLICATION CSP).

use percent_encoding::percent_decode_str;

use crate::dm::certificate::subject_attributes;
use crate::dm::distinguished_name::attributes;

/// Returns whether the criteria select a certificate (DER) in `store`. The criteria are percent-encoded pairs joined
/// with `&`; only `Subject` and `Stores` count, and U+F000 separates several values.
pub(super) fn matches(criteria: &str, store: &str, certificate: &[u8]) -> bool {
    subject_attributes(certificate).is_some_and(|subject| fits(criteria, store, subject))
}

fn fits(criteria: &str, store: &str, mut subject: Vec<(String, String)>) -> bool {
    subject.sort();
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
                values.any(|wanted| {
                    // The order of the parts of a name differs between implementations.
                    let mut wanted = attributes(wanted).unwrap_or_default();
                    wanted.sort();
                    wanted == subject
                })
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

#[cfg(test)]
mod tests {
    use super::{attributes, fits};

    #[test]
    fn criteria_find_a_certificate_by_subject_and_store() {
        let check = |criteria: &str, store: &str, subject: &str, expected: bool| {
            let found = fits(criteria, store, attributes(subject).expect("a subject"));
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
        // The notations of Go, .NET and openssl for a comma and for several values of one part.
        let subject = r"CN=A\+B,O=Contoso\, Ltd.,OU=C";
        for written in [
            r"CN%3DA%5C%2BB%2COU%3DC%2CO%3DContoso%5C%2C%20Ltd.",
            r"CN%3D%22A%2BB%22%2C%20OU%3DC%2C%20O%3D%22Contoso%2C%20Ltd.%22",
            r"CN%3DA%5C2BB%2BOU%3DC%2CO%3DContoso%5C2C%20Ltd.",
        ] {
            let criteria = format!("Subject={written}&Stores=My%5CUser");
            check(&criteria, "My\\User", subject, true);
        }
        check(
            "Subject=O%3DContoso%2C%20Ltd.",
            "My\\User",
            r"O=Contoso\, Ltd.",
            false,
        );
    }
}
