//! The check whether the client certificate of the connection proves the sender that a message names.

use super::MessageInput;
use crate::flow::{Note, SessionTag};

/// Returns a note on the first message of a session if the client certificate does not name the Source.
pub(super) fn note(message: &MessageInput<'_>, tag: Option<&SessionTag>) -> Option<Note> {
    let tag = tag?;
    let tls = message.connection.tls.as_ref()?;
    let presented = tls.client.as_deref()?;
    if message.response.is_some() || tag.exchange != 1 {
        return None;
    }
    let (source, subject) = (&*tag.key.device, &*presented.subject);
    let text = || {
        format!(
            "the Source {source} is not in the subject of the client certificate ({subject}); dmtap identifies the device by the \
             certificate"
        )
    };
    (!names(subject, source)).then(|| Note::new("CERT-01", text()))
}

/// Whether the Source contains a part of the subject, or a part of the subject contains the Source.
fn names(subject: &str, source: &str) -> bool {
    let source = source.to_lowercase();
    let parts = subject.split([',', '+', '=', '!', '\0']);
    let mut parts = parts.map(|part| part.trim().to_lowercase());
    parts.any(|part| {
        part.len() >= MIN_NAME_CHARS && (source.contains(&part) || part.contains(&source))
    })
}

/// The fewest characters of a name that identifies a device.
const MIN_NAME_CHARS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_the_source_in_any_of_its_parts() {
        let check = |subject, source, expected| assert_eq!(names(subject, source), expected);
        check("CN=DMTAP-0123, OU=lab", "dmtap-0123", true);
        check("CN=0f3a77cc", "urn:uuid:0F3A77CC", true);
        check(
            "CN=4444444-0000-a!0123456789ABCDEF\0",
            "0123456789abcdef",
            true,
        );
        check("CN=device-a", "device-b", false);
        check("CN=x, C=DE", "device-b", false);
    }
}
