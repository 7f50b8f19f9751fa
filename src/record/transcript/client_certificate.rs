//! Client certificates: the one of a device, and the one that dmtap presented to the server.

use super::block::{LONG, line};
use super::text_buffer::{REASON, Style, TextBuffer};
use crate::flow::ClientAuth;
use crate::record::model::ConnectionRecord;

/// Prints the certificate that the device presented, in the block of its connection.
pub(super) fn lines(out: &mut TextBuffer, connection: &ConnectionRecord) {
    let tls = connection.tls.as_ref();
    let Some(presented) = tls.and_then(|tls| tls.client_certificate.as_ref()) else {
        return;
    };
    line(out)
        .put(Style::Faint, "client certificate ")
        .quoted(Style::Faint, &presented.subject, LONG)
        .put(Style::Faint, " · SHA-1 ")
        .quoted(Style::Faint, &presented.sha1, LONG);
    match (&*presented.verdict, &presented.why) {
        ("dmtap-ca", _) => out.put(Style::Faint, " · of dmtap's CA"),
        ("client-ca", _) => out.put(Style::Faint, " · of a CA of --client-ca"),
        (_, why) => out.put(Style::Text, " · not trusted: ").quoted(
            Style::Text,
            why.as_deref().unwrap_or("?"),
            REASON,
        ),
    };
    out.end();
    line(out)
        .put(Style::Faint, "  issuer ")
        .quoted(Style::Faint, &presented.issuer, LONG)
        .put(Style::Faint, " · serial ")
        .quoted(Style::Faint, &presented.serial, LONG)
        .end();
}

/// Prints the line of a response whose server requested a client certificate.
pub(super) fn of_response(out: &mut TextBuffer, auth: &ClientAuth) {
    if !auth.asked {
        return;
    }
    line(out).put(Style::Faint, "the server asked for a client certificate: ");
    let Some(shown) = &auth.shown else {
        out.put(Style::Odd, "dmtap had none").end();
        return;
    };
    out.quoted(Style::Faint, &shown.subject, LONG)
        .put(Style::Faint, " · SHA-1 ")
        .quoted(Style::Faint, &shown.sha1, LONG);
    match &shown.identity {
        Some(id) => out
            .put(Style::Faint, " · identity ")
            .quoted(Style::Faint, id, LONG),
        None => out.put(Style::Faint, " · of --client-certs"),
    };
    out.end();
}
