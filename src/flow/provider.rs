//! The account of a provisioning document and its DMClient node, which must have the same name.

use crate::dm::provisioning::Characteristic;
use crate::dm::{EnrollmentMessage, Envelope, Provisioning};
use crate::flow::Note;
use crate::flow::note::clipped;
use crate::markup::{Document, Limits};

/// Returns notes on accounts whose PROVIDER-ID does not name a node `DMClient/Provider/*` of the same document. Windows
/// then enrolls and never connects.
pub fn note_provider_id(document: &Document) -> Vec<Note> {
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
    ids.filter_map(|id| Some(Note::new("PROV-01", no_node_of(&id, &nodes)?)))
        .collect()
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
            let notes = note_provider_id(&document);
            assert_eq!(notes.len(), usize::from(expected), "{account}: {notes:?}");
        };
        check("Contoso", &["Contoso"], false);
        check("Contoso", &["Fabrikam", "Contoso"], false);
        check("Contoso", &[], false);
        check("Contoso", &["contoso"], true);
        check("Contoso", &["Contoso MDM"], true);
    }

    #[test]
    fn the_response_of_enrollment_is_looked_into() {
        let text = include_str!("../../tests/data/enrollment/response.xml");
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        assert!(note_provider_id(&document).is_empty());
    }
}
