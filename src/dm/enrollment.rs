//! Messages of Windows enrollment: discovery, policies, and the request for a certificate (MS-MDE2, MS-XCEP, MS-WSTEP).
//! Elements are found by local name, and each of them may be missing.

use std::borrow::Cow;

use super::local_name::{attribute, child, children, descendant, is_named, text};
use super::soap::{Envelope, is_nil, texts};
use super::token::{BinaryToken, TokenKind};
use crate::markup::{Element, Embedded, Limits};

/// An enrollment message, by the content of its envelope.
#[derive(Clone, Copy, Debug)]
pub enum EnrollmentMessage<'d> {
    /// The device asks for the enrollment address.
    Discover(Discover<'d>),
    /// The server answers with the enrollment address.
    DiscoverResponse(DiscoverResponse<'d>),
    /// The device asks for the policies for its key.
    GetPolicies,
    /// The server answers with the policies.
    GetPoliciesResponse(GetPoliciesResponse<'d>),
    /// The device asks for a certificate and an account.
    Request(RequestSecurityToken<'d>),
    /// The server grants certificate and account.
    Response(RequestSecurityTokenResponse<'d>),
}

impl<'d> EnrollmentMessage<'d> {
    /// Returns the message in an envelope; `None` for a fault, an empty body or another kind of message.
    pub fn of(envelope: Envelope<'d>) -> Option<Self> {
        let content = envelope.content()?;
        let is = |name: &str| is_named(content, name);
        Some(match () {
            () if is("Discover") => Self::Discover(Discover(content)),
            () if is("DiscoverResponse") => Self::DiscoverResponse(DiscoverResponse(content)),
            () if is("GetPolicies") => Self::GetPolicies,
            () if is("GetPoliciesResponse") => {
                Self::GetPoliciesResponse(GetPoliciesResponse(content))
            }
            () if is("RequestSecurityToken") => Self::Request(RequestSecurityToken(content)),
            () if is("RequestSecurityTokenResponseCollection") => {
                let inside = child(content, "RequestSecurityTokenResponse");
                Self::Response(RequestSecurityTokenResponse(inside.unwrap_or(content)))
            }
            () if is("RequestSecurityTokenResponse") => {
                Self::Response(RequestSecurityTokenResponse(content))
            }
            () => return None,
        })
    }

    /// Returns the name of the message, as the standards spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover(_) => "Discover",
            Self::DiscoverResponse(_) => "DiscoverResponse",
            Self::GetPolicies => "GetPolicies",
            Self::GetPoliciesResponse(_) => "GetPoliciesResponse",
            Self::Request(_) => "RequestSecurityToken",
            Self::Response(_) => "RequestSecurityTokenResponseCollection",
        }
    }
}

/// `Discover`.
#[derive(Clone, Copy, Debug)]
pub struct Discover<'d>(Element<'d>);

impl<'d> Discover<'d> {
    /// Returns a field of the request: `EmailAddress` (the user, which may be `domain\user`), `RequestVersion` (`5.0`),
    /// `DeviceType` (`CIMClient_Windows`), `ApplicationVersion` (the build of the operating system), `OSEdition` (a
    /// number).
    pub fn field(self, name: &str) -> Option<Cow<'d, str>> {
        text(self.request(), &[name])
    }

    /// Returns the authentication methods that the device supports.
    pub fn auth_policies(self) -> impl Iterator<Item = Cow<'d, str>> {
        let around = child(self.request(), "AuthPolicies");
        around
            .into_iter()
            .flat_map(|policies| texts(policies, "AuthPolicy"))
    }

    fn request(self) -> Element<'d> {
        child(self.0, "request").unwrap_or(self.0)
    }
}

/// `DiscoverResponse`.
#[derive(Clone, Copy, Debug)]
pub struct DiscoverResponse<'d>(Element<'d>);

impl<'d> DiscoverResponse<'d> {
    /// Returns `DiscoverResult`, or the response itself if it is missing.
    pub fn result(self) -> Element<'d> {
        child(self.0, "DiscoverResult").unwrap_or(self.0)
    }

    /// `AuthPolicy`: `Federated`, `Certificate` or `OnPremise`.
    pub fn auth_policy(self) -> Option<Cow<'d, str>> {
        text(self.result(), &["AuthPolicy"])
    }

    /// `EnrollmentVersion`, such as `5.0`.
    pub fn enrollment_version(self) -> Option<Cow<'d, str>> {
        text(self.result(), &["EnrollmentVersion"])
    }

    /// Returns the elements that contain an address (`EnrollmentServiceUrl`, `GatewayService` …), also under unknown
    /// names. Skips nil and empty ones.
    pub fn urls(self) -> impl Iterator<Item = Element<'d>> {
        self.result().elements().filter(|element| {
            let name = element.local();
            let is_one = name.ends_with("Url") || name.eq_ignore_ascii_case("GatewayService");
            let holds_one = || element.text().contains("://");
            (is_one || holds_one()) && !is_nil(*element) && text(*element, &[]).is_some()
        })
    }
}

/// `GetPoliciesResponse`. Accessors for a policy read the first one.
#[derive(Clone, Copy, Debug)]
pub struct GetPoliciesResponse<'d>(Element<'d>);

impl<'d> GetPoliciesResponse<'d> {
    /// `response/policyID`.
    pub fn policy_id(self) -> Option<Cow<'d, str>> {
        text(self.0, &["response", "policyID"])
    }

    /// `response/policyFriendlyName`.
    pub fn friendly_name(self) -> Option<Cow<'d, str>> {
        text(self.0, &["response", "policyFriendlyName"])
    }

    /// `policySchema`.
    pub fn policy_schema(self) -> Option<Cow<'d, str>> {
        text(self.attributes()?, &["policySchema"])
    }

    /// `minimalKeyLength`, in bits.
    pub fn minimal_key_length(self) -> Option<Cow<'d, str>> {
        let path = ["privateKeyAttributes", "minimalKeyLength"];
        text(self.attributes()?, &path)
    }

    /// Returns the providers in which the key may be created.
    pub fn crypto_providers(self) -> impl Iterator<Item = Cow<'d, str>> {
        let path = ["privateKeyAttributes", "cryptoProviders"];
        let around = self.attributes().and_then(|a| descendant(a, &path));
        around.into_iter().flat_map(|list| texts(list, "provider"))
    }

    /// Returns the OID that `hashAlgorithmOIDReference` refers to: its value, otherwise its default name.
    pub fn hash_algorithm(self) -> Option<Cow<'d, str>> {
        let reference = text(self.attributes()?, &["hashAlgorithmOIDReference"])?;
        let list = child(self.0, "oIDs")?;
        let oid = children(list, "oID").find(|oid| {
            let own = text(*oid, &["oIDReferenceID"]);
            own.is_some_and(|own| own == reference)
        })?;
        text(oid, &["value"]).or_else(|| text(oid, &["defaultName"]))
    }

    /// `AttestationFailureBehavior`: whether the device may continue without attestation.
    pub fn attestation_failure_behavior(self) -> Option<Cow<'d, str>> {
        let attributes = self.attributes()?;
        let around = [attributes, child(attributes, "attestation")?];
        let mut found = around
            .iter()
            .filter_map(|around| text(*around, &["AttestationFailureBehavior"]));
        found
            .next()
            .or_else(|| text(self.policy()?, &["AttestationFailureBehavior"]))
    }

    /// Returns the elements that contain an address: those of CAs, and the one of the attestation service, which may
    /// lack the scheme.
    pub fn urls(self) -> impl Iterator<Item = Element<'d>> {
        let authorities = child(self.0, "cAs");
        let authorities = authorities.into_iter().flat_map(|list| list.elements());
        let uris = authorities.filter_map(|authority| child(authority, "uris"));
        let uris = uris.flat_map(|uris| uris.elements());
        let uris = uris.filter_map(|uri| child(uri, "uri"));
        let attestation = self
            .attributes()
            .and_then(|a| descendant(a, &["attestation", "azureAttestation", "endpointUri"]));
        uris.chain(attestation)
            .filter(|element| text(*element, &[]).is_some())
    }

    fn policy(self) -> Option<Element<'d>> {
        descendant(self.0, &["response", "policies", "policy"])
    }

    fn attributes(self) -> Option<Element<'d>> {
        child(self.policy()?, "attributes")
    }

    /// Returns `validityPeriodSeconds` or `renewalPeriodSeconds` of the certificate.
    pub fn period(self, name: &str) -> Option<u64> {
        text(self.attributes()?, &["certificateValidity", name])?
            .parse()
            .ok()
    }
}

/// The kind of an enrollment request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestType {
    /// A first certificate: `…/Issue`.
    Issue,
    /// A new certificate that replaces an old one: `…/Renew`.
    Renew,
    /// The account again: `…/Recovery`.
    Recovery,
}

impl RequestType {
    /// Returns the name, as the standard spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issue => "Issue",
            Self::Renew => "Renew",
            Self::Recovery => "Recovery",
        }
    }
}

/// `RequestSecurityToken`.
#[derive(Clone, Copy, Debug)]
pub struct RequestSecurityToken<'d>(Element<'d>);

impl<'d> RequestSecurityToken<'d> {
    /// `RequestType` as written.
    pub fn request_type_uri(self) -> Option<Cow<'d, str>> {
        text(self.0, &["RequestType"])
    }

    /// `RequestType`, if devices use it.
    pub fn request_type(self) -> Option<RequestType> {
        let written = self.request_type_uri()?;
        let last = written.rsplit('/').next()?;
        let all = [
            RequestType::Issue,
            RequestType::Renew,
            RequestType::Recovery,
        ];
        all.into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(last))
    }

    /// Returns the `BinarySecurityToken` with the certificate request.
    pub fn token(self) -> Option<BinaryToken<'d>> {
        child(self.0, "BinarySecurityToken").map(BinaryToken::of)
    }

    /// Returns the properties of the device: an open list, in which names may occur several times.
    pub fn context_items(self) -> impl Iterator<Item = ContextItem<'d>> {
        let around = child(self.0, "AdditionalContext");
        let items = around
            .into_iter()
            .flat_map(|list| children(list, "ContextItem"));
        items.map(ContextItem)
    }

    /// Returns the value of the first context item of this name.
    pub fn context(self, name: &str) -> Option<Cow<'d, str>> {
        let mut items = self.context_items();
        items
            .find(|item| {
                item.name()
                    .is_some_and(|own| own.eq_ignore_ascii_case(name))
            })
            .and_then(ContextItem::value)
    }
}

/// `ContextItem`: a name and a value.
#[derive(Clone, Copy, Debug)]
pub struct ContextItem<'d>(Element<'d>);

impl<'d> ContextItem<'d> {
    /// Returns the `Name`.
    pub fn name(self) -> Option<Cow<'d, str>> {
        attribute(self.0, "Name")
    }

    /// Returns the `Value`.
    pub fn value(self) -> Option<Cow<'d, str>> {
        text(self.0, &["Value"])
    }

    /// Returns the element of the value.
    pub fn value_element(self) -> Option<Element<'d>> {
        child(self.0, "Value")
    }
}

/// `RequestSecurityTokenResponse`, with or without its collection.
#[derive(Clone, Copy, Debug)]
pub struct RequestSecurityTokenResponse<'d>(Element<'d>);

impl<'d> RequestSecurityTokenResponse<'d> {
    /// `DispositionMessage`.
    pub fn disposition(self) -> Option<Cow<'d, str>> {
        text(self.0, &["DispositionMessage"])
    }

    /// `RequestID`.
    pub fn request_id(self) -> Option<Cow<'d, str>> {
        text(self.0, &["RequestID"])
    }

    /// Returns the `BinarySecurityToken` in `RequestedSecurityToken`.
    pub fn token(self) -> Option<BinaryToken<'d>> {
        let path = ["RequestedSecurityToken", "BinarySecurityToken"];
        descendant(self.0, &path).map(BinaryToken::of)
    }

    /// Returns the provisioning document in the token. `limits` are the limits that the envelope was decoded with.
    pub fn provisioning(self, limits: &Limits) -> Option<Embedded> {
        self.token()?.element().embedded(limits)
    }

    /// Returns the certificate in the token, if the server sends no provisioning document.
    pub fn certificate(self) -> Option<Vec<u8>> {
        let token = self.token()?;
        matches!(token.kind(), TokenKind::X509)
            .then(|| token.octets())
            .flatten()
    }
}
