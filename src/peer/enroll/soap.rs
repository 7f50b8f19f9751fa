//! SOAP of enrollment as text: what both simulators write, and how the server finds things in a request.

use std::borrow::Cow;

use bytes::Bytes;
use quick_xml::escape::escape;

use crate::markup::{Document, Element, Hint, Limits, decode};

/// The actions of enrollment (MS-MDE2, MS-XCEP, MS-WSTEP).
pub(super) mod action {
    pub(crate) const DISCOVER: &str = "http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover";
    pub(crate) const DISCOVER_RESPONSE: &str = "http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/DiscoverResponse";
    pub(crate) const GET_POLICIES: &str =
        "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies";
    pub(crate) const GET_POLICIES_RESPONSE: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPoliciesResponse";
    pub(crate) const RST: &str =
        "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep";
    pub(crate) const RSTRC: &str =
        "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RSTRC/wstep";
}

/// The media type of SOAP 1.2.
pub(super) const SOAP_12: &str = "application/soap+xml; charset=utf-8";
/// The media type of SOAP 1.1.
pub(super) const SOAP_11: &str = "text/xml; charset=utf-8";
/// The namespaces of envelopes.
pub(super) const ENVELOPE_12: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const ENVELOPE_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(super) const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
pub(super) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(super) const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// `EncodingType` of every token.
pub(super) const BASE64_BINARY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary";
pub(super) const WST: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
pub(super) const ISSUE: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue";
pub(super) const DISCOVERY: &str =
    "http://schemas.microsoft.com/windows/management/2012/01/enrollment";
pub(super) const POLICY: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy";
pub(super) const WSTEP: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment";
pub(super) const TOKEN_TYPE: &str =
    "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken";
/// `ValueType` of a certificate request.
pub(super) const PKCS10: &str =
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10";
/// `ValueType` of the token that a sign-in page gave.
pub(super) const USER_TOKEN: &str = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken";
/// `ValueType` of the provisioning document.
pub(super) const PROVISION_DOC: &str = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc";

/// A request that was read.
#[derive(Debug)]
pub(super) struct Envelope {
    document: Document,
}

impl Envelope {
    /// Reads one of either version; `None` where it is none.
    pub(super) fn read(body: Bytes) -> Option<Self> {
        let document = decode(body, Hint::default(), &Limits::default()).ok()?;
        (document.root().local() == "Envelope").then_some(Self { document })
    }

    /// The namespace to answer in.
    pub(super) fn namespace(&self) -> &'static str {
        match self.document.root().foreign_namespace() {
            Some(ENVELOPE_11) => ENVELOPE_11,
            _ => ENVELOPE_12,
        }
    }

    /// The media type of the answer.
    pub(super) fn media_type(&self) -> &'static str {
        match self.namespace() {
            ENVELOPE_11 => SOAP_11,
            _ => SOAP_12,
        }
    }

    /// The first element of this name, wherever it stands.
    pub(super) fn find(&self, local: &str) -> Option<Element<'_>> {
        self.document
            .elements()
            .find(|element| element.local() == local)
    }

    /// Its text, without white space around it.
    pub(super) fn text(&self, local: &str) -> Option<String> {
        self.find(local).map(trimmed)
    }

    /// A context item of a RequestSecurityToken.
    pub(super) fn context_item(&self, name: &str) -> Option<String> {
        let mut items = self
            .document
            .elements()
            .filter(|e| e.local() == "ContextItem");
        let item = items.find(|item| attribute(*item, "Name").as_deref() == Some(name))?;
        item.elements().find(|e| e.local() == "Value").map(trimmed)
    }

    /// The token whose `ValueType` ends so.
    pub(super) fn token(&self, value_type: &str) -> Option<String> {
        let mut all = self.document.elements();
        let token = all.find(|element| {
            element.local() == "BinarySecurityToken"
                && attribute(*element, "ValueType").is_some_and(|v| v.ends_with(value_type))
        })?;
        Some(trimmed(token))
    }
}

/// Text of an element or attribute value, so that XML holds it.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    escape(text)
}

/// An attribute by its name without prefix.
fn attribute<'d>(element: Element<'d>, local: &str) -> Option<Cow<'d, str>> {
    let mut attributes = element.attributes();
    let found = attributes.find(|a| a.name().rsplit(':').next() == Some(local))?;
    Some(found.value())
}

fn trimmed(element: Element<'_>) -> String {
    element.text().trim().to_owned()
}
