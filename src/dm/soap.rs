//! SOAP envelopes of enrollment (SOAP 1.1, SOAP 1.2; MS-MDE2 §2.2). Elements are found by local name.

pub mod action;

use std::borrow::Cow;

use super::local_name::{attribute, child, children, descendant, is_named, text};
use super::token::{BinaryToken, TokenKind};
use crate::markup::{Document, Element};

/// An envelope.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'d>(Element<'d>);

/// The version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SoapVersion {
    /// `http://schemas.xmlsoap.org/soap/envelope/`
    V1_1,
    /// `http://www.w3.org/2003/05/soap-envelope`
    V1_2,
}

impl SoapVersion {
    /// Returns the version number.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

impl<'d> Envelope<'d> {
    /// Returns the envelope in a document, if its root is one.
    pub fn of(document: &'d Document) -> Option<Self> {
        let root = document.root();
        is_named(root, "Envelope").then_some(Self(root))
    }

    /// Returns the element of the envelope.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the version, according to the namespace.
    pub fn version(self) -> Option<SoapVersion> {
        match self.0.foreign_namespace()? {
            "http://schemas.xmlsoap.org/soap/envelope/" => Some(SoapVersion::V1_1),
            "http://www.w3.org/2003/05/soap-envelope" => Some(SoapVersion::V1_2),
            _ => None,
        }
    }

    /// Returns the header.
    pub fn header(self) -> Option<Element<'d>> {
        child(self.0, "Header")
    }

    /// Returns the body.
    pub fn body(self) -> Option<Element<'d>> {
        child(self.0, "Body")
    }

    /// Returns the content of the body: its first element.
    pub fn content(self) -> Option<Element<'d>> {
        self.body()?.elements().next()
    }

    /// `Action`: the kind of the message.
    pub fn action(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["Action"])
    }

    /// `To`: the address of the receiver.
    pub fn to(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["To"])
    }

    /// `MessageID`. Windows sends constants, so it does not identify an exchange.
    pub fn message_id(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["MessageID"])
    }

    /// `RelatesTo`: the MessageID of the request.
    pub fn relates_to(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["RelatesTo"])
    }

    /// `ActivityId`: the identifier of the message in the logs of Microsoft's servers.
    pub fn activity_id(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["ActivityId"])
    }

    /// `Security`.
    pub fn security(self) -> Option<Security<'d>> {
        child(self.header()?, "Security").map(Security)
    }

    /// Returns the fault in the body.
    pub fn fault(self) -> Option<Fault<'d>> {
        child(self.body()?, "Fault").map(Fault)
    }
}

/// The credentials of a message (WS-Security).
#[derive(Clone, Copy, Debug)]
pub struct Security<'d>(Element<'d>);

impl<'d> Security<'d> {
    /// `UsernameToken/Username`.
    pub fn username(self) -> Option<Cow<'d, str>> {
        text(self.0, &["UsernameToken", "Username"])
    }

    /// `UsernameToken/Password`: a password in clear text.
    pub fn password(self) -> Option<Element<'d>> {
        descendant(self.0, &["UsernameToken", "Password"])
    }

    /// `BinarySecurityToken`.
    pub fn binary_token(self) -> Option<BinaryToken<'d>> {
        child(self.0, "BinarySecurityToken").map(BinaryToken::of)
    }

    /// Whether the message is signed (XML-DSig).
    pub fn is_signed(self) -> bool {
        child(self.0, "Signature").is_some()
    }

    /// Returns the method that identifies the sender, as records name it; `None` if there is none, for example with only
    /// a Timestamp.
    pub fn authentication(self) -> Option<&'static str> {
        if self.is_signed() {
            // Policy Certificate. The signature is over the whole message: changes would invalidate it.
            return Some("certificate signature");
        }
        if let Some(token) = self.binary_token() {
            return Some(match token.kind() {
                // Policy Federated: the user signed in elsewhere.
                TokenKind::UserToken => "user token",
                TokenKind::Jwt => "JWT",
                TokenKind::X509 => "certificate signature",
                _ => "security token",
            });
        }
        // Policy OnPremise.
        child(self.0, "UsernameToken").map(|_| "UsernameToken")
    }
}

/// A fault: `Code`, `Reason`, `Detail` of SOAP 1.2, or `faultcode`, `faultstring`, `detail` of SOAP 1.1.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'d>(Element<'d>);

impl<'d> Fault<'d> {
    /// Returns the code, such as `s:Receiver`.
    pub fn code(self) -> Option<Cow<'d, str>> {
        text(self.0, &["Code", "Value"]).or_else(|| text(self.0, &["faultcode"]))
    }

    /// Returns the innermost subcode, such as `s:Authentication`.
    pub fn subcode(self) -> Option<Cow<'d, str>> {
        let mut here = descendant(self.0, &["Code", "Subcode"])?;
        while let Some(inner) = child(here, "Subcode") {
            here = inner;
        }
        text(here, &["Value"])
    }

    /// Iterates over the elements with the code and the subcodes, outermost first.
    pub fn codes(self) -> impl Iterator<Item = Element<'d>> {
        let v1_1 = child(self.0, "faultcode");
        let code = child(self.0, "Code");
        let levels = std::iter::successors(code, |level| child(*level, "Subcode"));
        let values = levels.filter_map(|level| child(level, "Value"));
        values.chain(v1_1)
    }

    /// Returns the element with the reason for people.
    pub fn reason_element(self) -> Option<Element<'d>> {
        let texts = child(self.0, "Reason");
        texts
            .and_then(|reason| child(reason, "Text"))
            .or(texts)
            .or_else(|| child(self.0, "faultstring"))
    }

    /// Returns the text of [`Self::reason_element`].
    pub fn reason(self) -> Option<Cow<'d, str>> {
        text(self.reason_element()?, &[])
    }

    /// Returns the detail.
    pub fn detail(self) -> Option<Element<'d>> {
        child(self.0, "Detail")
    }

    /// Returns `DeviceEnrollmentServiceError/ErrorType` of the detail, such as `DeviceCapReached`. Servers put it into
    /// different elements.
    pub fn error_type(self) -> Option<Cow<'d, str>> {
        self.in_detail("ErrorType")
    }

    /// Returns `Message` of the detail.
    pub fn detail_message(self) -> Option<Cow<'d, str>> {
        self.in_detail("Message")
    }

    /// Returns `TraceId` of the detail, the identifier in the logs of the server.
    pub fn trace_id(self) -> Option<Cow<'d, str>> {
        self.in_detail("TraceId")
    }

    fn in_detail(self, name: &str) -> Option<Cow<'d, str>> {
        let detail = self.detail()?;
        let around = detail.elements().find_map(|inner| text(inner, &[name]));
        around.or_else(|| text(detail, &[name]))
    }
}

/// Returns the last segment of an action: `IDiscoveryService/Discover` gives `Discover`, `RST/wstep` gives `RST/wstep`.
pub fn action_name(action: &str) -> &str {
    let action = action.trim_ascii();
    let Some((front, last)) = action.rsplit_once('/') else {
        return action;
    };
    match last.eq_ignore_ascii_case("wstep") {
        true => front
            .rfind('/')
            .map_or(action, |slash| &action[slash + 1..]),
        false => last,
    }
}

/// Returns a code without its prefix: `s:Authentication` gives `Authentication`.
pub fn local_code(code: &str) -> &str {
    code.trim_ascii().rsplit(':').next().unwrap_or_default()
}

/// Whether `element` has an attribute `nil` that is true: then it has no value.
pub fn is_nil(element: Element<'_>) -> bool {
    attribute(element, "nil").is_some_and(|nil| nil.eq_ignore_ascii_case("true") || nil == "1")
}

/// Iterates over the texts of the children of this name.
pub(crate) fn texts<'d>(
    element: Element<'d>,
    name: &'static str,
) -> impl Iterator<Item = Cow<'d, str>> {
    children(element, name).filter_map(|child| text(child, &[]))
}
