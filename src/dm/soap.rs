//! SOAP envelopes of enrollment (SOAP 1.1, SOAP 1.2; MS-MDE2 §2.2). Elements are found by local name.

pub mod action;

use std::borrow::Cow;

use super::local::{attribute, child, children, descendant, is_named, text};
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
    /// Its number.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

impl<'d> Envelope<'d> {
    /// The envelope a document holds, if its root is one.
    pub fn of(document: &'d Document) -> Option<Self> {
        let root = document.root();
        is_named(root, "Envelope").then_some(Self(root))
    }

    /// Its element.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Its version, by its namespace.
    pub fn version(self) -> Option<SoapVersion> {
        match self.0.foreign_namespace()? {
            "http://schemas.xmlsoap.org/soap/envelope/" => Some(SoapVersion::V1_1),
            "http://www.w3.org/2003/05/soap-envelope" => Some(SoapVersion::V1_2),
            _ => None,
        }
    }

    /// Its header.
    pub fn header(self) -> Option<Element<'d>> {
        child(self.0, "Header")
    }

    /// Its body.
    pub fn body(self) -> Option<Element<'d>> {
        child(self.0, "Body")
    }

    /// What its body holds: its first element.
    pub fn content(self) -> Option<Element<'d>> {
        self.body()?.elements().next()
    }

    /// `Action`: which message it is.
    pub fn action(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["Action"])
    }

    /// `To`: the address that it is for.
    pub fn to(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["To"])
    }

    /// `MessageID`. Windows sends constants: it does not identify an exchange.
    pub fn message_id(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["MessageID"])
    }

    /// `RelatesTo`: the MessageID of the request.
    pub fn relates_to(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["RelatesTo"])
    }

    /// `ActivityId`, with which Microsoft's servers log a message.
    pub fn activity_id(self) -> Option<Cow<'d, str>> {
        text(self.header()?, &["ActivityId"])
    }

    /// `Security`.
    pub fn security(self) -> Option<Security<'d>> {
        child(self.header()?, "Security").map(Security)
    }

    /// The fault in its body.
    pub fn fault(self) -> Option<Fault<'d>> {
        child(self.body()?, "Fault").map(Fault)
    }
}

/// The credentials of a message (WS-Security).
#[derive(Clone, Copy, Debug)]
pub struct Security<'d>(Element<'d>);

/// How a message says who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// A user and a password: policy OnPremise.
    UsernameToken,
    /// The token of a user who signed in elsewhere: policy Federated.
    UserToken,
    /// The same as a JSON Web Token of Entra ID.
    Jwt,
    /// A certificate, and a signature over the whole message: policy Certificate. Such a message cannot be changed.
    Certificate,
    /// A token of another kind.
    OtherToken,
}

impl Authentication {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::UsernameToken => "UsernameToken",
            Self::UserToken => "user token",
            Self::Jwt => "JWT",
            Self::Certificate => "certificate signature",
            Self::OtherToken => "security token",
        }
    }
}

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

    /// How it says who sends the message; `None` where it says nothing, as a Timestamp alone does.
    pub fn authentication(self) -> Option<Authentication> {
        if self.is_signed() {
            return Some(Authentication::Certificate);
        }
        if let Some(token) = self.binary_token() {
            return Some(match token.kind() {
                TokenKind::UserToken => Authentication::UserToken,
                TokenKind::Jwt => Authentication::Jwt,
                TokenKind::X509 => Authentication::Certificate,
                _ => Authentication::OtherToken,
            });
        }
        let user = child(self.0, "UsernameToken");
        user.map(|_| Authentication::UsernameToken)
    }
}

/// A fault: `Code`, `Reason`, `Detail` of SOAP 1.2, or `faultcode`, `faultstring`, `detail` of SOAP 1.1.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'d>(Element<'d>);

impl<'d> Fault<'d> {
    /// Its code, such as `s:Receiver`.
    pub fn code(self) -> Option<Cow<'d, str>> {
        text(self.0, &["Code", "Value"]).or_else(|| text(self.0, &["faultcode"]))
    }

    /// Its innermost subcode, such as `s:Authentication`.
    pub fn subcode(self) -> Option<Cow<'d, str>> {
        let mut here = descendant(self.0, &["Code", "Subcode"])?;
        while let Some(inner) = child(here, "Subcode") {
            here = inner;
        }
        text(here, &["Value"])
    }

    /// The elements that hold the code and the subcodes, outermost first.
    pub fn codes(self) -> impl Iterator<Item = Element<'d>> {
        let v1_1 = child(self.0, "faultcode");
        let code = child(self.0, "Code");
        let levels = std::iter::successors(code, |level| child(*level, "Subcode"));
        let values = levels.filter_map(|level| child(level, "Value"));
        values.chain(v1_1)
    }

    /// Its reason for people.
    pub fn reason_element(self) -> Option<Element<'d>> {
        let texts = child(self.0, "Reason");
        texts
            .and_then(|reason| child(reason, "Text"))
            .or(texts)
            .or_else(|| child(self.0, "faultstring"))
    }

    /// The text of [`Self::reason_element`].
    pub fn reason(self) -> Option<Cow<'d, str>> {
        text(self.reason_element()?, &[])
    }

    /// Its detail.
    pub fn detail(self) -> Option<Element<'d>> {
        child(self.0, "Detail")
    }

    /// `DeviceEnrollmentServiceError/ErrorType` of its detail, such as `DeviceCapReached`. Servers differ in what
    /// stands around it.
    pub fn error_type(self) -> Option<Cow<'d, str>> {
        self.in_detail("ErrorType")
    }

    /// `Message` of its detail.
    pub fn detail_message(self) -> Option<Cow<'d, str>> {
        self.in_detail("Message")
    }

    /// `TraceId` of its detail, with which the server logs it.
    pub fn trace_id(self) -> Option<Cow<'d, str>> {
        self.in_detail("TraceId")
    }

    fn in_detail(self, name: &str) -> Option<Cow<'d, str>> {
        let detail = self.detail()?;
        let around = detail.elements().find_map(|inner| text(inner, &[name]));
        around.or_else(|| text(detail, &[name]))
    }
}

/// The last segment of an action: `IDiscoveryService/Discover` gives `Discover`, `RST/wstep` gives `RST/wstep`.
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

/// A code without its prefix: `s:Authentication` is `Authentication`.
pub fn local_code(code: &str) -> &str {
    code.trim_ascii().rsplit(':').next().unwrap_or_default()
}

/// Whether `element` has an attribute `nil` that is true: it stands for no value.
pub fn is_nil(element: Element<'_>) -> bool {
    attribute(element, "nil").is_some_and(|nil| nil.eq_ignore_ascii_case("true") || nil == "1")
}

/// The texts of the children of this name.
pub(crate) fn texts<'d>(
    element: Element<'d>,
    name: &'static str,
) -> impl Iterator<Item = Cow<'d, str>> {
    children(element, name).filter_map(|child| text(child, &[]))
}
