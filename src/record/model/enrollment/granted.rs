//! Reads what a provisioning document grants: certificates, their renewal, accounts, and the settings of DMClient.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use smol_str::SmolStr;

use super::GrantRecord;
use super::fact::Facts;
use crate::dm::provisioning::{Account, DmClientProvider, StoredCertificate, WstepRenewal};
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

fn renewal(renewal: WstepRenewal<'_>, secret_spans: &SecretSpans) -> GrantRecord {
    let mut facts = Facts::default();
    facts.add_some("RenewPeriod", renewal.period_days());
    facts.add_some("RetryInterval", renewal.retry_days());
    facts.add_some("ROBOSupport", renewal.robo_support());
    facts.add_some("ServerURL", address(renewal.server_url(), secret_spans));
    part("renewal", None::<SmolStr>, facts)
}

fn account(account: Account<'_>, secret_spans: &SecretSpans) -> GrantRecord {
    let mut facts = Facts::default();
    facts.add_some("ADDR", address(account.address(), secret_spans));
    facts.add_some("PORTNBR", account.port());
    facts.add_some("ServerList", address(account.server_list(), secret_spans));
    facts.add_some("NAME", account.name());
    facts.add_some("DEFAULTENCODING", account.default_encoding());
    facts.add_some("PROTOVER", account.proto_version());
    facts.add_some("ROLE", account.role());
    facts.add_some("CRLCheck", account.crl_check());
    let criteria = account.search_criteria();
    let criteria = criteria.as_deref().map(percent_decode_str);
    let criteria = criteria.map(|text| text.decode_utf8_lossy());
    facts.add_some("SSLCLIENTCERTSEARCHCRITERIA", criteria);
    for auth in account.auths().take(MOST) {
        let level = auth.level().unwrap_or_default();
        let kind = auth.auth_type().unwrap_or_default();
        let user = auth.name().map(|name| format!(" as {name}"));
        let lacks = match auth.data().is_none() {
            true => " without AAUTHDATA",
            false => "",
        };
        let text = format!("{level} {kind}{}{lacks}", user.unwrap_or_default());
        facts.add("APPAUTH", text.trim().to_owned());
    }
    part("account", account.provider_id(), facts)
}

fn provider(provider: DmClientProvider<'_>, secret_spans: &SecretSpans) -> GrantRecord {
    let mut facts = Facts::default();
    facts.add_some("UPN", provider.upn());
    facts.add_some("EntDMID", provider.ent_dm_id());
    facts.add_some("EntDeviceName", provider.device_name());
    let addresses = provider.management_service_address();
    facts.add_some("ManagementServiceAddress", address(addresses, secret_spans));
    let signing = provider.require_message_signing();
    facts.add_some("RequireMessageSigning", signing);
    part("provider", provider.id(), facts)
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
