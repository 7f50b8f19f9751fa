//! The checks of the public origin: its certificate, and whether dmtap answers there.

use std::net::SocketAddr;

use http::{Request, Uri};

use super::probe::{Failed, Handshake};
use super::{Doctor, Finding, discovery, host_and_port, origin};
use crate::app::dial::{Dialer, HttpClient};
use crate::app::enroll_device::send;
use crate::dm::Certificate;
use crate::peer::enroll::device::exists_request;
use crate::proxy::{Resolve, Trust};
use bytes::Bytes;

/// Checks whether dmtap answers: only dmtap serves its CA certificate.
pub(super) async fn answers(doctor: &Doctor, public: &Uri, addresses: &[SocketAddr]) -> Finding {
    let what = "public answer";
    let url = format!("{}{CA}", origin(public));
    let request = Request::get(&url).body(Bytes::new());
    let client = client(public, addresses);
    let (Ok(request), Ok(client)) = (request, client) else {
        let remedy = "give an address such as https://dmtap.lab:8080";
        return Finding::wrong(what, format!("{url} is not an address"), remedy);
    };
    let answer = match send(&client, request).await {
        Ok(answer) => answer,
        Err(error) => {
            let remedy = "check what runs there: a device gets no answer either";
            return Finding::wrong(what, error.to_string(), remedy);
        }
    };
    let status = answer.status().as_u16();
    let served = Certificate::read(answer.body()).filter(|_| answer.status().is_success());
    let Some(served) = served else {
        let remedy = "start dmtap there; what stands in front of it must pass /.dmtap/ on";
        let text = format!("an HTTPS server answers GET {CA} with HTTP {status}: it is not dmtap");
        return Finding::wrong(what, text, remedy);
    };
    let is_own = |own: Certificate| own.thumbprint == served.thumbprint;
    match doctor.read_ca().is_some_and(is_own) {
        true => Finding::ok(what, format!("dmtap answers, with this CA ({url})")),
        false => Finding::wrong(
            what,
            format!("dmtap answers, with another CA: {}", served.subject),
            format!(
                "give doctor the --confdir of that dmtap, and devices the certificate of {url}"
            ),
        ),
    }
}

/// Returns a client for dmtap at the first of its addresses. The check of the certificate is another one.
fn client(public: &Uri, addresses: &[SocketAddr]) -> Result<HttpClient, String> {
    let (host, port) = host_and_port(public);
    let table = addresses
        .first()
        .map(|first| Resolve::new(&host, port, *first));
    Dialer::new(table.into_iter().collect()).client(&Trust::Anything)
}

/// Checks the answer that devices get to discovery there.
pub(super) async fn discovery(doctor: &Doctor, public: &Uri, addresses: &[SocketAddr]) -> Finding {
    let what = "public discovery";
    let client = client(public, addresses);
    let url = doctor.discovery_at(public).parse::<Uri>();
    let (Ok(client), Ok(url)) = (client, url) else {
        let remedy = "give an address such as https://dmtap.lab:8080";
        return Finding::wrong(what, format!("{public} is not an address"), remedy);
    };
    // A Discover would stand in the record of that dmtap as an enrollment that goes no further.
    let there = send(&client, exists_request(&url)).await;
    let text = match there {
        Ok(answer) => {
            let status = answer.status();
            let (head, body) = answer.into_parts();
            let words = discovery::plain_words(&head.headers, &body);
            let text = format!("GET {url} is answered with HTTP {status}{words}");
            if status.is_success() || status.is_redirection() {
                return Finding::ok(what, text);
            }
            // A server may know POST alone at this path.
            if let 404 | 405 = status.as_u16() {
                let answer = discovery::ask(doctor, &client, &url).await;
                let (found, _) = discovery::discovered(doctor, &url, answer);
                if let Some(found) = found.into_iter().next().filter(Finding::is_ok) {
                    return Finding { what, ..found };
                }
            }
            text
        }
        Err(error) => error.to_string(),
    };
    let remedy = "see what that dmtap prints: its --mode and --resolve must lead to the server";
    Finding::wrong(what, text, remedy)
}

/// Checks the certificate that devices receive.
pub(super) async fn shown(
    doctor: &Doctor,
    host: &str,
    addresses: &[SocketAddr],
    handshake: Result<Handshake, Failed>,
    is_dmtap: bool,
) -> Finding {
    let what = "public certificate";
    let shown = match handshake {
        Ok(shown) => shown,
        Err(why) => {
            let remedy =
                "a device refuses it too: let dmtap listen there, with the CA of this --confdir";
            let unverified = Handshake::with(addresses, host, &Trust::Anything).await;
            let text = match unverified {
                Ok(unverified) => format!("{}: {why}", unverified.chain_text()),
                Err(_) => format!("{host}: {why}"),
            };
            return Finding::wrong(what, text, remedy);
        }
    };
    let own = doctor.read_ca();
    let issued_here = own.is_some_and(|own| shown.issuer() == Some(own.subject));
    let chain = shown.chain_text();
    match (issued_here, is_dmtap) {
        (true, _) => Finding::ok(what, format!("{chain}, from dmtap's CA")),
        (false, true) => Finding::ok(
            what,
            format!("{chain}, of another CA that this machine trusts"),
        ),
        (false, false) => Finding::wrong(
            what,
            format!("{chain}, which dmtap's CA did not issue"),
            "this is another server than dmtap with this --confdir",
        ),
    }
}

/// The path of dmtap's CA certificate.
const CA: &str = "/.dmtap/ca.cer";
