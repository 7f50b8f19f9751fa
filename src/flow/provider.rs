//! The account of a provisioning document and its DMClient node, which must have the same name; and what else Windows
//! refuses in such a document.

use crate::dm::provisioning::{Account, Characteristic, StoredCertificate};
use crate::dm::{EnrollmentMessage, Envelope, Provisioning};
use crate::flow::Note;
use crate::flow::note::clipped;
use crate::markup::{Document, Limits};

/// Returns notes on accounts whose PROVIDER-ID does not name a node `DMClient/Provider/*` of the same document: Windows
/// then enrolls and never connects; and on what Windows refuses in the document of an enrollment.
pub fn note_provisioning(document: &Document) -> Vec<Note> {
    in_provisioning(document, in_document).unwrap_or_default()
}

/// Calls `read` with the provisioning document that a document is, or that an enrollment response contains.
pub fn in_provisioning<T>(
    document: &Document,
    read: impl FnOnce(Provisioning<'_>) -> T,
) -> Option<T> {
    if let Some(provisioning) = Provisioning::of(document) {
        return Some(read(provisioning));
    }
    let message = Envelope::of(document).and_then(EnrollmentMessage::of);
    let Some(EnrollmentMessage::Response(response)) = message else {
        return None;
    };
    let embedded = response.provisioning(&Limits::default())?;
    Some(read(Provisioning::of(embedded.document())?))
}

fn in_document(provisioning: Provisioning<'_>) -> Vec<Note> {
    let nodes = provisioning
        .providers()
        .filter_map(Characteristic::type_name);
    let nodes: Vec<_> = nodes.take(MAX_COMPARED).collect();
    let accounts = provisioning.accounts().take(MAX_COMPARED);
    let ids = accounts.filter_map(|account| account.provider_id());
    let ids = ids.filter_map(|id| Some(Note::new("PROV-01", no_node_of(&id, &nodes)?)));
    ids.chain(refused(provisioning)).collect()
}

/// Returns what Windows refuses in the document of an enrollment, which has a client certificate.
fn refused(provisioning: Provisioning<'_>) -> Vec<Note> {
    if !provisioning
        .certificates()
        .any(|it: StoredCertificate<'_>| it.is_own())
    {
        return Vec::new();
    }
    let accounts = provisioning.accounts().take(MAX_COMPARED);
    let mut refused: Vec<String> = accounts.flat_map(refused_in_account).collect();
    if provisioning.characteristics().any(|it| it.is(EXTRA)) {
        refused.push(format!(
            "{EXTRA} stands at the top of the document: Windows 11 refused such a document (event 56, 0x83750005)"
        ));
    }
    let notes = refused.into_iter();
    notes.map(|text| Note::new("PROV-02", text)).collect()
}

/// Returns the mistakes in the APPAUTHs of an account. An account without any is one of MAM.
fn refused_in_account(account: Account<'_>) -> Vec<String> {
    let of_level = |level: &str| {
        let is_it = |it: &Characteristic<'_>| {
            it.value("AAUTHLEVEL")
                .is_some_and(|own| own.eq_ignore_ascii_case(level))
        };
        account.auths().filter(is_it).collect::<Vec<_>>()
    };
    let auths = LEVELS.map(|level| (level, of_level(level)));
    let has_any = auths.iter().any(|(_, auths)| !auths.is_empty());
    let mut refused = Vec::new();
    for (level, auths) in auths.iter().filter(|_| has_any) {
        if auths.is_empty() {
            refused.push(format!(
                "APPAUTH {level} is missing in the account: Windows wants one of APPSRV and one of CLIENT"
            ));
        } else if auths.iter().all(|it| it.value("AAUTHDATA").is_none()) {
            refused.push(format!(
                "APPAUTH {level} of the account has no AAUTHDATA, the first nonce: Windows 11 refuses the account (event 17, \
                 0x80070057; the user sees 0x80180023)"
            ));
        }
        let kinds = auths.iter().filter(|_| *level == "CLIENT");
        let mut kinds = kinds.filter_map(|it| it.value("AAUTHTYPE"));
        if let Some(kind) = kinds.find(|kind| !kind.eq_ignore_ascii_case("DIGEST")) {
            refused.push(format!(
                "AAUTHTYPE of APPAUTH CLIENT is {}: with it the server authenticates itself, and Windows takes DIGEST alone",
                clipped(&kind)
            ));
        }
    }
    refused
}

/// Returns the mistake of an account of this PROVIDER-ID, if none of the nodes below DMClient/Provider has that name.
pub fn no_node_of(account: &str, nodes: &[impl AsRef<str>]) -> Option<String> {
    let mut names = nodes.iter().map(AsRef::as_ref);
    // Without any node there is no node of another name.
    if nodes.is_empty() || names.any(|name| name == account) {
        return None;
    }
    let names: Vec<&str> = nodes.iter().take(MAX_COMPARED).map(AsRef::as_ref).collect();
    Some(format!(
        "PROVIDER-ID of the account is {}, and DMClient/Provider has {}: Windows enrolls and never connects",
        clipped(account),
        clipped(&names.join(", "))
    ))
}

/// The values of AAUTHLEVEL: the credentials of the client, and those of the server.
const LEVELS: [&str; 2] = ["APPSRV", "CLIENT"];

/// A characteristic beside those of an enrollment (MS-MDE2 2.2.9.1); one report has what Windows 11 said to it.
const EXTRA: &str = "RootCATrustedCertificates";

/// The most accounts, and the most nodes, that are compared.
const MAX_COMPARED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, decode};

    #[test]
    fn an_account_without_a_node_of_its_name_is_noted() {
        let check = |account: &str, nodes: &[&str], expected: bool| {
            let node = |name: &&str| format!("<characteristic type='{name}'/>");
            let nodes: String = nodes.iter().map(node).collect();
            let nodes = match nodes.is_empty() {
                true => nodes,
                false => format!(
                    "<characteristic type='DMClient'><characteristic type='Provider'>{nodes}</characteristic></characteristic>"
                ),
            };
            let text = format!(
                "<wap-provisioningdoc version='1.1'><characteristic type='APPLICATION'><parm name='APPID' value='w7'/>\
                 <parm name='PROVIDER-ID' value='{account}'/></characteristic>{nodes}</wap-provisioningdoc>"
            );
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let notes = note_provisioning(&document);
            assert_eq!(notes.len(), usize::from(expected), "{account}: {notes:?}");
        };
        check("Contoso", &["Contoso"], false);
        check("Contoso", &["Fabrikam", "Contoso"], false);
        check("Contoso", &[], false);
        check("Contoso", &["contoso"], true);
        check("Contoso", &["Contoso MDM"], true);
    }

    #[test]
    fn what_windows_refuses_in_a_document_of_enrollment_is_noted() {
        let text = include_str!("../../tests/data/enrollment/provisioning.xml");
        let check = |changes: &[(&str, &str)], expected: &[&str]| {
            let mut text = text.to_owned();
            for (old, new) in changes {
                assert!(text.contains(old), "{old}");
                text = text.replace(old, new);
            }
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let notes = note_provisioning(&document);
            assert_eq!(notes.len(), expected.len(), "{notes:?}");
            for (note, expected) in notes.iter().zip(expected) {
                assert!(
                    note.id == "PROV-02" && note.text.contains(expected),
                    "{note:?}"
                );
            }
        };
        check(&[], &[]);
        check(
            &[("AAUTHDATA", "OTHER")],
            &[
                "APPAUTH APPSRV of the account has no AAUTHDATA",
                "APPAUTH CLIENT of the account has no AAUTHDATA",
            ],
        );
        check(
            &[(
                "</wap-",
                "<characteristic type='RootCATrustedCertificates'/></wap-",
            )],
            &["RootCATrustedCertificates stands at the top"],
        );
        check(
            &[("\"CLIENT\"", "\"OTHER\"")],
            &["APPAUTH CLIENT is missing"],
        );
        check(
            &[("value=\"DIGEST\"", "value=\"BASIC\"")],
            &["AAUTHTYPE of APPAUTH CLIENT is BASIC"],
        );
        // A document for MAM, or none of an enrollment.
        check(&[("\"APPAUTH\"", "\"OTHER\"")], &[]);
        check(&[("\"My\"", "\"CA\""), ("AAUTHDATA", "OTHER")], &[]);
    }

    #[test]
    fn the_response_of_enrollment_is_looked_into() {
        let text = include_str!("../../tests/data/enrollment/response.xml");
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        assert!(note_provisioning(&document).is_empty());
    }
}
