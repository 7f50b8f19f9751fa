//! The hosts that a server names, which its device may contact next.

use crate::dm::{EnrollmentMessage, Envelope, Message, SyncHdr};
use crate::flow::origin::{Scheme, UrlOrigin};
use crate::markup::{Document, Limits};

/// Returns the hosts of https URLs in the provisioning document of an enrollment, or in RespURI and the Data of a DM
/// message; in lower case, at most [`MOST_HOSTS`].
pub fn in_document(document: &Document) -> Vec<String> {
    let mut hosts = Vec::new();
    if let Some(message) = Message::of(document) {
        let resp_uri = message.header().and_then(SyncHdr::resp_uri);
        hosts.extend(resp_uri.and_then(|url| of_url(&url)));
        let data = document.elements().filter(|it| it.local() == "Data");
        for text in data.flat_map(|element| element.texts()) {
            add(&mut hosts, &text.value());
        }
        return hosts;
    }
    let message = Envelope::of(document).and_then(EnrollmentMessage::of);
    let Some(EnrollmentMessage::Response(response)) = message else {
        return hosts;
    };
    if let Some(embedded) = response.provisioning(&Limits::default()) {
        for element in embedded.document().elements() {
            for attribute in element.attributes() {
                add(&mut hosts, &attribute.value());
            }
        }
    }
    hosts
}

/// Returns the host of an https URL that leads a device on, such as RespURI or `Location`, which may leave out the scheme.
pub fn of_url(url: &str) -> Option<String> {
    let whole = match url.starts_with("//") {
        true => UrlOrigin::of(&format!("https:{url}")),
        false => UrlOrigin::of(url),
    };
    let origin = whole?.origin;
    (origin.scheme == Scheme::Https).then_some(origin.host)
}

fn add(hosts: &mut Vec<String>, text: &str) {
    for (at, _) in text.match_indices("https://") {
        let Some(UrlOrigin { origin, .. }) = UrlOrigin::of(&text[at..]) else {
            continue;
        };
        if !hosts.contains(&origin.host) && hosts.len() < MOST_HOSTS {
            hosts.push(origin.host);
        }
    }
}

/// The most hosts of one document.
pub const MOST_HOSTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_wherever_a_url_stands() {
        let check = |text: &str, expected: &[&str]| {
            let mut hosts = Vec::new();
            add(&mut hosts, text);
            assert_eq!(hosts, expected, "{text}");
        };
        check("https://MDM.example.com:443/a?b=c", &["mdm.example.com"]);
        check(
            "<https://a.example/x><https://b.example./y>",
            &["a.example", "b.example"],
        );
        check("https://[::1]:8443/x", &["::1"]);
        check("http://a.example/ ftp://b.example", &[]);
        check("https:///", &[]);
    }

    #[test]
    fn a_url_that_leads_a_device_on_names_one_host() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(of_url(url).as_deref(), expected, "{url}");
        };
        let other = Some("other.example.net");
        check("https://Other.example.net:8443/mdm?x=1", other);
        check("//other.example.net/mdm", other);
        check("https://other.example.net?back=https://a.example", other);
        check("http://other.example.net/mdm", None);
        check("/mdm", None);
    }
}
