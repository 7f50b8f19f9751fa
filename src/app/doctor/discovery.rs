//! The checks with discovery: its answer, the client certificate, the clock, and the hosts that it names.

use http::header::{DATE, LOCATION};
use http::{Response, Uri};

use super::probe::Handshake;
use super::{CHECK_PORT, DISCOVERY_PATH, Doctor, Finding, host_and_port, origin};
use crate::app::dial::{Dialer, HttpClient};
use crate::app::enroll_device::{EnrollError, send};
use crate::dm::Envelope;
use crate::dm::enrollment::EnrollmentMessage;
use crate::markup::{Hint, Limits, decode};
use crate::peer::enroll::device::{discover_request, exists_request};
use crate::peer::enroll::{CsrForm, EnrollProfile, Login};
use crate::proxy::Trust;
use bytes::Bytes;

/// Checks client certificate, clock and discovery.
///
/// # Errors
/// The failure that ends these checks.
pub(super) async fn examine(
    doctor: &Doctor,
    dialer: &Dialer,
    handshake: &Handshake,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let wrong = |text: String, remedy: &str| Finding::wrong("discovery", text, remedy);
    let url = doctor.discovery_url();
    let url: Uri = url.parse().map_err(|_| {
        let remedy = "give an address such as https://mdm.example.com";
        wrong(format!("{url} is not an address"), remedy)
    })?;
    // The certificate was checked before.
    let client = dialer.client(&Trust::Anything);
    let client = client.map_err(|why| wrong(why, "check the file of --server-ca"))?;
    let there = send(&client, exists_request(&url)).await;
    findings.push(client_certificate(handshake, &there));
    let answer = there.map_err(|error| {
        let remedy = "check that this is a server for Windows enrollment, and its log";
        wrong(error.to_string(), remedy)
    })?;
    findings.extend(clock(&answer));
    if answer.status().is_redirection() {
        let to = answer.headers().get(LOCATION);
        let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
        let text = format!("{url} redirects to {to}, which Windows asks its user to allow");
        let Some(target) = to.parse::<Uri>().ok().filter(|uri| uri.host().is_some()) else {
            let remedy = "let the server redirect to a full address";
            return Err(Finding::wrong("redirect", text, remedy));
        };
        findings.push(Finding::ok("redirect", text));
        findings.extend(discover(doctor, &client, &target).await);
        return Ok(());
    }
    if !answer.status().is_success() {
        let text = format!("GET {url} is answered with HTTP {}", answer.status());
        let host = url.host().unwrap_or_default();
        let authority = url.authority().map_or(host, |authority| authority.as_str());
        let remedy = match answer.status().as_u16() {
            421 => format!(
                "the server does not know the name {host}: give the name that it is set up for, and \
                 --resolve NAME:PORT:ADDRESS where DNS leads elsewhere"
            ),
            404 | 405 => format!(
                "this server offers no enrollment here: check the address; Windows asks for \
                 https://{authority}{DISCOVERY_PATH}"
            ),
            _ => format!("check the server's log, and the path: Windows asks for {DISCOVERY_PATH}"),
        };
        return Err(wrong(text, &remedy));
    }
    findings.extend(discover(doctor, &client, &url).await);
    Ok(())
}

/// Sends Discover as a device does, then checks each host to which the answer leads.
async fn discover(doctor: &Doctor, client: &HttpClient, url: &Uri) -> Vec<Finding> {
    let domain = doctor.domain.as_deref().unwrap_or("example.com");
    let user = format!("doctor@{domain}");
    let profile = EnrollProfile::new(user, Login::Password(String::new()), CsrForm::Windows11);
    let answer = send(client, discover_request(url, &profile)).await;
    let (finding, mut named) = discovered(url, answer);
    named.push(origin(url));
    named.retain(|named| *named != origin(&doctor.server));
    let named = named.iter().filter_map(|named| named.parse::<Uri>().ok());
    let named = named.filter(|named| named.scheme_str() == Some("https"));
    let mut findings = vec![finding];
    for named in named.take(MOST_NAMED) {
        findings.push(named_host(doctor, &named).await);
    }
    findings
}

/// Checks name, port and certificate of a host to which discovery leads.
async fn named_host(doctor: &Doctor, named: &Uri) -> Finding {
    let what = "named host";
    let (host, port) = host_and_port(named);
    let addresses = match doctor.lookup(&host, port).await {
        Ok(addresses) => addresses,
        Err(why) => {
            let remedy = format!(
                "let DNS of this machine know the name, or say where it is, here and to dmtap proxy: \
                 --resolve {host}:{port}:ADDRESS"
            );
            return Finding::wrong(what, format!("{host}: {why}"), remedy);
        }
    };
    match Handshake::with(&addresses, &host, &doctor.trust).await {
        Ok(handshake) => {
            let chain = handshake.chain_text();
            Finding::ok(what, format!("{host}:{port} answers, {chain}"))
        }
        Err(why) => {
            let remedy = if why.is_tcp { CHECK_PORT } else { why.remedy() };
            Finding::wrong(what, format!("{host}:{port}: {why}"), remedy)
        }
    }
}

fn client_certificate(
    handshake: &Handshake,
    answer: &Result<Response<Bytes>, EnrollError>,
) -> Finding {
    let what = "client certificate";
    match (handshake.asks, answer.is_err()) {
        (true, true) => Finding::wrong(
            what,
            "the server closes connections without a client certificate",
            "let the server take connections without one, at least for discovery and enrollment",
        ),
        (true, false) => Finding::ok(
            what,
            "the server asks for one in the handshake, and serves devices without one, too",
        ),
        (false, _) => Finding::ok(what, "the server does not ask for one in the handshake"),
    }
}

/// Compares the server's clock with that of this machine.
fn clock(answer: &Response<Bytes>) -> Option<Finding> {
    let theirs = answer.headers().get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(theirs).ok()?.timestamp();
    let apart = theirs.as_second() - jiff::Timestamp::now().as_second();
    let side = if apart < 0 { "behind" } else { "ahead of" };
    let text = format!("the server's clock is {} s {side} this one", apart.abs());
    Some(match apart.abs() <= CLOCKS_APART {
        true => Finding::ok("clock", text),
        false => Finding::wrong(
            "clock",
            text,
            "set both clocks: certificates count in minutes",
        ),
    })
}

/// Returns the result of discovery, and the other origins in its answer.
fn discovered(url: &Uri, answer: Result<Response<Bytes>, EnrollError>) -> (Finding, Vec<String>) {
    let what = "discovery";
    let remedy = "check the server's log: Windows stops here, too";
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return (Finding::wrong(what, error.to_string(), remedy), Vec::new()),
    };
    let status = answer.status();
    let document = decode(answer.into_body(), Hint::default(), &Limits::default()).ok();
    let envelope = document.as_ref().and_then(Envelope::of);
    if let Some(fault) = envelope.and_then(|envelope| envelope.fault()) {
        let code = fault.subcode().or_else(|| fault.code()).unwrap_or_default();
        let reason = fault.reason().unwrap_or_default();
        let remedy = "if it is about the user, give the mail domain with --domain";
        let text = format!("Discover is answered with the fault {code}: {reason}");
        return (Finding::wrong(what, text, remedy), Vec::new());
    }
    let Some(EnrollmentMessage::DiscoverResponse(found)) = envelope.and_then(EnrollmentMessage::of)
    else {
        let text = format!("Discover is answered with HTTP {status} and no DiscoverResponse");
        return (Finding::wrong(what, text, remedy), Vec::new());
    };
    let policy = found.auth_policy().unwrap_or_default().into_owned();
    let own = origin(url);
    let mut others: Vec<String> = found
        .urls()
        .filter_map(|element| element.text().trim().parse::<Uri>().ok())
        .map(|uri| origin(&uri))
        .filter(|origin| *origin != own)
        .collect();
    others.sort();
    others.dedup();
    let elsewhere = match others.join(", ") {
        none if none.is_empty() => String::new(),
        others => format!(", and leads to {others}: dmtap --stay on keeps the device"),
    };
    let text = format!("{url} answers with {policy} authentication{elsewhere}");
    (Finding::ok(what, text), others)
}

/// The limit of checked hosts of one discovery.
const MOST_NAMED: usize = 8;
/// The limit of the difference of the clocks, in seconds.
const CLOCKS_APART: i64 = 300;
