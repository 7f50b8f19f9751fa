//! Reads a document of enrollment into its record.

use std::borrow::Cow;

use smol_str::{SmolStr, ToSmolStr};

use super::fact::cut;
use super::{EnrollmentRecord, FaultRecord, granted};
use crate::dm::enrollment::{
    Discover, DiscoverResponse, GetPoliciesResponse, RequestSecurityToken,
    RequestSecurityTokenResponse,
};
use crate::dm::soap::{Fault, is_nil};
use crate::dm::token::{BinaryToken, TokenKind};
use crate::dm::{
    Certificate, CertificateRequest, EnrollmentMessage, Envelope, Hresult, Provisioning, trimmed,
};
use crate::facts;
use crate::markup::{DecodeErrorKind, Document, Hint, Limits, decode};
use crate::record::redact::{MASK, SecretSpans};

impl EnrollmentRecord {
    /// Makes the record of a document of enrollment. Returns `None` if the document is neither an envelope nor a
    /// provisioning document. `secret_spans` are the secrets of the document.
    pub fn of(document: &Document, secret_spans: &SecretSpans) -> Option<Self> {
        if let Some(provisioning) = Provisioning::of(document) {
            return Some(Self {
                message: Some("wap-provisioningdoc".into()),
                granted: granted::of(provisioning, secret_spans),
                ..Self::default()
            });
        }
        let envelope = Envelope::of(document)?;
        let content = envelope.content();
        let message = EnrollmentMessage::of(envelope);
        let name = message.map(|message| SmolStr::new(message.name()));
        let security = envelope.security();
        let user = security.and_then(|security| {
            let token = security.binary_token();
            security
                .username()
                .or_else(|| token.and_then(BinaryToken::jwt_user).map(Cow::Owned))
        });
        let mut record = Self {
            message: name.or_else(|| content.map(|content| content.local().into())),
            soap: envelope.version().map(|version| version.name().into()),
            action: envelope.action().map(cut),
            to: envelope.to().map(|to| cut(secret_spans.address(to))),
            message_id: envelope.message_id().map(cut),
            relates_to: envelope.relates_to().map(cut),
            authentication: security
                .and_then(|security| security.authentication())
                .map(Into::into),
            user: user.map(cut),
            fault: envelope.fault().map(|fault| {
                let activity = envelope.activity_id();
                self::fault(fault, activity, secret_spans)
            }),
            ..Self::default()
        };
        if record.fault.is_some() {
            record.message = Some("Fault".into());
        }
        match message {
            Some(EnrollmentMessage::Discover(discover)) => record.discover(discover),
            Some(EnrollmentMessage::DiscoverResponse(found)) => {
                record.discovered(found, secret_spans)
            }
            Some(EnrollmentMessage::GetPoliciesResponse(found)) => {
                record.policies(found, secret_spans)
            }
            Some(EnrollmentMessage::Request(request)) => record.request(request, secret_spans),
            Some(EnrollmentMessage::Response(response)) => record.response(response, secret_spans),
            Some(EnrollmentMessage::GetPolicies) | None => {}
        }
        Some(record)
    }

    fn discover(&mut self, discover: Discover<'_>) {
        self.user = self.user.take().or(discover.field("EmailAddress").map(cut));
        let facts = &mut self.facts;
        for name in [
            "DeviceType",
            "RequestVersion",
            "OSEdition",
            "ApplicationVersion",
        ] {
            facts.add_some(name, discover.field(name));
        }
        for policy in discover.auth_policies() {
            facts.add("AuthPolicies", policy);
        }
    }

    fn discovered(&mut self, response: DiscoverResponse<'_>, secret_spans: &SecretSpans) {
        let facts = &mut self.facts;
        facts.add_some("AuthPolicy", response.auth_policy());
        facts.add_some("EnrollmentVersion", response.enrollment_version());
        for url in response.urls() {
            facts.add(url.local(), secret_spans.address(trimmed(url)));
        }
    }

    fn policies(&mut self, response: GetPoliciesResponse<'_>, secret_spans: &SecretSpans) {
        let facts = &mut self.facts;
        facts.add_some("policyID", response.policy_id());
        facts.add_some("policyFriendlyName", response.friendly_name());
        facts.add_some("policySchema", response.policy_schema());
        facts.add_some("minimalKeyLength", response.minimal_key_length());
        facts.add_some("hashAlgorithm", response.hash_algorithm());
        facts.add_some(
            "validityPeriod",
            days(response.period("validityPeriodSeconds")),
        );
        facts.add_some(
            "renewalPeriod",
            days(response.period("renewalPeriodSeconds")),
        );
        for provider in response.crypto_providers() {
            facts.add("cryptoProviders", provider);
        }
        let behavior = response.attestation_failure_behavior();
        facts.add_some("AttestationFailureBehavior", behavior);
        for url in response.urls() {
            facts.add(url.local(), secret_spans.address(trimmed(url)));
        }
    }

    fn request(&mut self, request: RequestSecurityToken<'_>, secret_spans: &SecretSpans) {
        match (request.request_type(), request.request_type_uri()) {
            (Some(known), _) => self.facts.add("RequestType", known.name()),
            (None, other) => self.facts.add_some("RequestType", other),
        }
        for item in request.context_items() {
            let (Some(name), Some(element)) = (item.name(), item.value_element()) else {
                continue;
            };
            if !is_nil(element) {
                let value = trimmed(element);
                let value = match secret_spans.hold(element.id()) {
                    true => format!("{MASK} ({} B)", value.len()).into(),
                    false => value,
                };
                self.facts.add(name, value);
            }
        }
        let Some(token) = request.token() else {
            return;
        };
        let octets = token.octets();
        let read = octets.as_deref().and_then(|octets| match token.kind() {
            TokenKind::Pkcs7 => CertificateRequest::read_signed(octets),
            _ => CertificateRequest::read(octets),
        });
        let csr = &mut self.csr;
        if let Some(read) = read {
            csr.add("subject", read.subject);
            csr.add("key", read.key);
            csr.add("signature", read.signature);
            if read.has_illegal_strings {
                csr.add("strings", "not allowed in a PrintableString");
            }
        } else {
            let size = octets.map_or(0, |octets| octets.len());
            csr.add("unreadable", format!("{size} B"));
        }
        csr.add_some(
            "type",
            token.value_type().map(|known| known.last().to_owned()),
        );
    }

    fn response(&mut self, response: RequestSecurityTokenResponse<'_>, secret_spans: &SecretSpans) {
        self.facts.add_some("RequestID", response.request_id());
        let disposition = response.disposition();
        self.facts.add_some("DispositionMessage", disposition);
        let embedded = response.provisioning(&Limits::default());
        let document = embedded.as_ref().map(|embedded| embedded.document());
        if let Some(provisioning) = document.and_then(Provisioning::of) {
            self.granted = granted::of(provisioning, secret_spans);
            let mut token = response.token().into_iter();
            if token.any(|token| token.octets().is_none()) {
                self.facts
                    .add("unreadable", "it stands there as XML, not as base64");
            }
            return;
        }
        if let Some(read) = response
            .certificate()
            .and_then(|der| Certificate::read(&der))
        {
            self.granted.push(granted::certificate(None, None, &read));
        } else if let Some(token) = response.token() {
            let kind = token.value_type().map(|known| known.last().to_owned());
            let kind = kind.unwrap_or_else(|| "no ValueType".into());
            let text = token.element().text();
            let size = text.len();
            match unreadable(token) {
                Some(why) => self
                    .facts
                    .add("unreadable", format!("{kind}, {size} B, {why}")),
                None => self
                    .facts
                    .add("token", format!("{kind}, {size} B, not read")),
            }
        }
    }
}

/// Why a device cannot read a token as a provisioning document; `None` where somebody masked it, where it is another kind
/// of token, and where only dmtap cannot read it.
fn unreadable(token: BinaryToken<'_>) -> Option<String> {
    let text = token.element().text();
    let is_other = !matches!(token.kind(), TokenKind::ProvisionDoc | TokenKind::Other);
    if is_other || text.contains("***") {
        return None;
    }
    let why = match token.octets() {
        _ if text.trim().is_empty() => "empty".to_owned(),
        None => "not base64".to_owned(),
        Some(octets) => match decode(octets.into(), Hint::default(), &Limits::default()) {
            Err(error) => match error.kind {
                DecodeErrorKind::Charset(_) | DecodeErrorKind::TooLarge { .. } => return None,
                kind => kind.to_string(),
            },
            Ok(document) => format!("its root is {}", document.root().local()),
        },
    };
    Some(why)
}

fn fault(
    fault: Fault<'_>,
    activity: Option<Cow<'_, str>>,
    secret_spans: &SecretSpans,
) -> FaultRecord {
    let reason = fault.reason_element().zip(fault.reason());
    let reason = reason.map(|(element, text)| match secret_spans.hold(element.id()) {
        true => Cow::Borrowed(MASK),
        false => text,
    });
    let result = Hresult::of_fault(fault);
    let means = result.and_then(|result| facts::result(result.0));
    FaultRecord {
        code: fault.code().map(cut),
        subcode: fault.subcode().map(cut),
        reason: reason.map(cut),
        error_type: fault.error_type().map(cut),
        message: fault.detail_message().map(cut),
        trace_id: fault.trace_id().or(activity).map(cut),
        hresult: result.map(|result| result.to_smolstr()),
        hresult_means: means.map(|fact| fact.words().into()),
    }
}

fn days(seconds: Option<u64>) -> Option<String> {
    let seconds = seconds?;
    Some(match seconds.is_multiple_of(86_400) {
        true => format!("{} days", seconds / 86_400),
        false => format!("{seconds} s"),
    })
}
