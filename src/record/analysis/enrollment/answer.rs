//! Answers to the steps of an enrollment: their grants and their mistakes.

use crate::flow::provider::no_node_of;
use crate::record::EventRecord;
use crate::record::analysis::exchanged::Exchanged;
use crate::record::model::{EnrollmentRecord, GrantRecord};

/// Returns the answer to the last step of an attempt, if it arrives and has a provisioning document or a certificate, even
/// an unreadable one.
pub(super) fn granted(record: &EventRecord) -> Option<EnrollmentRecord> {
    let has_failed = record.http_status().is_some_and(|status| status >= 400);
    let answer = arrived(record)?;
    let name = answer.message.as_deref().unwrap_or_default();
    // A token of another service has neither.
    let has_token = !answer.granted.is_empty() || answer.facts.get("unreadable").is_some();
    let is_granted = name.starts_with("RequestSecurityTokenResponse") && has_token;
    (is_granted && !has_failed && Exchanged::of(record).arrives).then_some(answer)
}

/// Whether the answer to the last step arrives, and has neither a token nor a fault.
pub(super) fn lacks_token(record: &EventRecord) -> bool {
    let has_failed = Exchanged::of(record).http_status() >= 400;
    let has_any = arrived(record).is_some_and(|answer| {
        let tokens = ["unreadable", "token"].map(|name| answer.facts.get(name));
        !answer.granted.is_empty() || answer.fault.is_some() || tokens.iter().any(Option::is_some)
    });
    !has_failed && !has_any && Exchanged::of(record).arrives
}

/// Returns the answer that the device gets; `None` if rules made it unreadable.
fn arrived(record: &EventRecord) -> Option<EnrollmentRecord> {
    let is_of_rules = record.sent.is_some() && !Exchanged::of(record).rules_of_content().is_empty();
    let arrived = record.sent_enrollment();
    arrived.or_else(|| record.enrollment.clone().filter(|_| !is_of_rules))
}

/// Returns the mistakes in the answer to the last step because of which no server can manage the device, a line each.
pub(super) fn lacking(answer: &EnrollmentRecord) -> Vec<String> {
    if let Some(token) = answer.facts.get("unreadable") {
        return vec![format!(
            "Its provisioning document cannot be read: {token}."
        )];
    }
    let parts = &answer.granted;
    let of_kind = |kind: &'static str| parts.iter().filter(move |it| it.kind == kind);
    let name = |part: &GrantRecord| part.name.as_deref().unwrap_or_default().to_owned();
    let unreadable = parts
        .iter()
        .filter(|it| it.facts.get("unreadable").is_some());
    let mut lines: Vec<String> = unreadable
        .map(|it| format!("The certificate in {} cannot be read.", name(it)))
        .collect();
    if !has_own_certificate(answer) {
        lines.push(
            "Its provisioning document has no client certificate (CertificateStore/My).".to_owned(),
        );
    }
    let providers: Vec<String> = of_kind("provider").map(name).collect();
    let mut accounts = of_kind("account").peekable();
    if accounts.peek().is_none() {
        lines.push("Its provisioning document has no DM account (w7 APPLICATION).".to_owned());
    }
    for account in accounts {
        let id = name(account);
        if account.facts.get("ADDR").is_none() {
            lines.push(format!(
                "Its account {id} has no ADDR, the address of the server."
            ));
        }
        if id.is_empty() {
            lines.push("Its account has no PROVIDER-ID.".to_owned());
        } else if let Some(wrong) = no_node_of(&id, &providers) {
            lines.push(format!("{wrong} (PROV-01)."));
        }
    }
    lines
}

/// Whether an answer has a certificate for the device itself.
pub(super) fn has_own_certificate(answer: &EnrollmentRecord) -> bool {
    let mut certificates = answer.granted.iter().filter(|it| it.kind == "certificate");
    certificates.any(|it| {
        // A certificate without a document has no place.
        let place = it.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        place.is_empty() || place.starts_with("my/")
    })
}

/// Returns the mistakes in an answer to Discover, a line each; `asked` is the version of SOAP of the request (MS-MDE2
/// 3.1.4.1.3).
pub(super) fn wrong_in_discovery(answer: &EnrollmentRecord, asked: Option<&str>) -> Vec<String> {
    let fact = |name| answer.facts.get(name);
    let policy = fact("AuthPolicy").unwrap_or_default();
    let is_known = AUTH_POLICIES
        .iter()
        .any(|it| it.eq_ignore_ascii_case(policy));
    let is_federated = policy.eq_ignore_ascii_case("Federated");
    let versions = asked.zip(answer.soap.as_deref());
    let lines = [
        fact("EnrollmentServiceUrl")
            .is_none()
            .then(|| "The answer has no EnrollmentServiceUrl, where the device asks for its certificate.".to_owned()),
        (is_federated && fact("AuthenticationServiceUrl").is_none()).then(|| {
            "Its AuthPolicy is Federated, and it has no AuthenticationServiceUrl, where the user signs in.".to_owned()
        }),
        (!policy.is_empty() && !is_known).then(|| {
            format!("Its AuthPolicy is {policy}, and Windows knows Federated, Certificate and OnPremise.")
        }),
        versions
            .filter(|(asked, answered)| asked != answered && !asked.is_empty())
            .map(|(asked, answered)| format!("It is in SOAP {answered}, and the request was in SOAP {asked}.")),
    ];
    lines.into_iter().flatten().collect()
}

/// The ways in which a device may authenticate its user (MS-MDE2 2.2.9.1).
const AUTH_POLICIES: [&str; 3] = ["Federated", "Certificate", "OnPremise"];
