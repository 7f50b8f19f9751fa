//! `client-cert` of `match`: the certificate that the device presented.

use super::value::wilds;
use crate::rules::glob::Glob;
use crate::rules::load::read::{self, Report, Table, each};
use crate::rules::matcher::ClientCertMatcher;

/// The keys of a certificate that is asked for.
pub(super) const KEYS: [&str; 5] = ["subject", "issuer", "serial", "thumbprint", "verdict"];

pub(super) const VERDICTS: [(&str, &str); 3] = [
    ("dmtap-ca", "dmtap-ca"),
    ("client-ca", "client-ca"),
    ("untrusted", "untrusted"),
];

pub(super) fn read(table: Table<'_>, report: &mut Report) -> Vec<ClientCertMatcher> {
    each(table, "client-cert", report, |value, report| {
        let table = Table::of("a client certificate", value, report)?;
        table.refuse_other_keys(&KEYS, report);
        Some(ClientCertMatcher {
            subject: wilds(table, "subject", report),
            issuer: wilds(table, "issuer", report),
            serial: digits(table, "serial", report),
            thumbprint: digits(table, "thumbprint", report),
            verdict: each(table, "verdict", report, |value, report| {
                read::one_of(value, "verdict", &VERDICTS, report)
            }),
        })
    })
}

/// Hexadecimal digits as people write them, in upper or lower case, with blanks or colons between them.
fn digits(table: Table<'_>, key: &str, report: &mut Report) -> Vec<Glob> {
    each(table, key, report, |value, report| {
        let text = read::text(value, key, report)?;
        let is_between = |c: char| c == ':' || c == ' ';
        let bare: String = text.chars().filter(|c| !is_between(*c)).collect();
        if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_hexdigit() || c == '*') {
            report
                .wrong(value.span(), format!("`{text}` is not hexadecimal"))
                .help(format!(
                    "write {key} = \"A1B2…\"; `*` stands for any digits"
                ));
            return None;
        }
        Some(Glob::new(&bare.to_ascii_uppercase()))
    })
}
