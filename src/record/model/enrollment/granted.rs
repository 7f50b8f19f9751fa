//! Reads what a provisioning document grants: certificates, their renewal, accounts, and the settings of DMClient.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use smol_str::SmolStr;

use super::GrantRecord;
use super::fact::Facts;
use crate::dm::provisioning::{Account, Characteristic, StoredCertificate};
use crate::dm::{Certificate, Provisioning};
use crate::record::redact::SecretSpans;

/// Returns the parts of a provisioning document, in order of their importance to people.
pub(super) fn of(document: Provisioning<'_>, secret_spans: &SecretSpans) -> Vec<GrantRecord> {
    let mut parts: Vec<_> = document
        .certificates()
        .take(MOST)
        .map(|stored| self::stored(&stored))
        .collect();
    parts.extend(
        document
            .renewal()
            .map(|renewal| self::renewal(renewal, secret_spans)),
    );
    let accounts = document.accounts().take(MOST);
    parts.extend(accounts.map(|account| self::account(account, secret_spans)));
    let providers = document.providers().take(MOST);
    parts.extend(providers.map(|provider| self::provider(provider, secret_spans)));
    parts
}

/// Makes the record of a certificate, with its place and the name that the server gives it there.
pub(super) fn certificate(
    place: Option<String>,
    node: Option<&str>,
    read: &Certificate,
) -> GrantRecord {
    let mut facts = Facts::default();
    facts.add("subject", read.subject.clone());
    facts.add("issuer", read.issuer.clone());
    facts.add("thumbprint", read.thumbprint.clone());
    let wrong = node.filter(|node| !node.eq_ignore_ascii_case(&read.thumbprint));
    facts.add_some("node", wrong.map(str::to_owned));
    facts.add("not_before", day(read.not_before));
    facts.add("not_after", day(read.not_after));
    part("certificate", place, facts)
}

fn stored(stored: &StoredCertificate<'_>) -> GrantRecord {
    let place = Some(format!("{}/{}", stored.store(), stored.scope()));
    let node = stored.thumbprint();
    if let Some(read) = stored.certificate() {
        return certificate(place, node.as_deref(), &read);
    }
    let mut facts = Facts::default();
    let size = stored.octets().map_or(0, |octets| octets.len());
    facts.add("unreadable", format!("{size} B"));
    facts.add_some("node", node);
    part("certificate", place, facts)
}

fn renewal(renewal: Characteristic<'_>, secret_spans: &SecretSpans) -> GrantRecord {
    let mut facts = Facts::default();
    // Servers write either name.
    let period = renewal.value("RenewPeriod");
    let period = period.or_else(|| renewal.value("RenewalPeriod"));
    facts.add_some("RenewPeriod", period);
    facts.add_some("RetryInterval", renewal.value("RetryInterval"));
    facts.add_some("ROBOSupport", renewal.value("ROBOSupport"));
    facts.add_some(
        "ServerURL",
        address(renewal.value("ServerURL"), secret_spans),
    );
    part("renewal", None::<SmolStr>, facts)
}

fn account(account: Account<'_>, secret_spans: &SecretSpans) -> GrantRecord {
    let mut facts = Facts::default();
    facts.add_some("ADDR", address(account.address(), secret_spans));
    facts.add_some("PORTNBR", account.port());
    facts.add_some(
        "ServerList",
        address(account.value("ServerList"), secret_spans),
    );
    for name in ["NAME", "DEFAULTENCODING", "PROTOVER", "ROLE", "CRLCheck"] {
        facts.add_some(name, account.value(name));
    }
    let criteria = account.search_criteria();
    let criteria = criteria.as_deref().map(percent_decode_str);
    let criteria = criteria.map(|text| text.decode_utf8_lossy());
    facts.add_some("SSLCLIENTCERTSEARCHCRITERIA", criteria);
    for auth in account.auths().take(MOST) {
        let level = auth.value("AAUTHLEVEL").unwrap_or_default();
        let kind = auth.value("AAUTHTYPE").unwrap_or_default();
        let user = auth.value("AAUTHNAME").map(|name| format!(" as {name}"));
        let lacks = match auth.value("AAUTHDATA").is_none() {
            true => " without AAUTHDATA",
            false => "",
        };
        let text = format!("{level} {kind}{}{lacks}", user.unwrap_or_default());
        facts.add("APPAUTH", text.trim().to_owned());
    }
    part("account", account.provider_id(), facts)
}

fn provider(provider: Characteristic<'_>, secret_spans: &SecretSpans) -> GrantRecord {
    let mut facts = Facts::default();
    for name in ["UPN", "EntDMID", "EntDeviceName"] {
        facts.add_some(name, provider.value(name));
    }
    let addresses = provider.value("ManagementServiceAddress");
    facts.add_some("ManagementServiceAddress", address(addresses, secret_spans));
    let signing = provider.value("RequireMessageSigning");
    facts.add_some("RequireMessageSigning", signing);
    part("provider", provider.type_name(), facts)
}

fn part(kind: &'static str, name: Option<impl Into<SmolStr>>, facts: Facts) -> GrantRecord {
    GrantRecord {
        kind: SmolStr::new_static(kind),
        name: name.map(Into::into),
        facts,
    }
}

fn address<'t>(text: Option<Cow<'t, str>>, secret_spans: &SecretSpans) -> Option<Cow<'t, str>> {
    text.map(|text| secret_spans.address(text))
}

/// Returns the day in UTC of a time in seconds since the Unix epoch.
pub(in crate::record) fn day(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(moment) => moment.strftime("%Y-%m-%d").to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// The most parts of one kind that are shown.
const MOST: usize = 32;
