//! The checks with discovery: its answer, the client certificate, the clock, and the hosts that it names.

use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, DATE, LOCATION, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, Uri};

use super::probe::{Handshake, TAKE_OTHERS};
use super::{CHECK_PORT, DISCOVERY_PATH, Doctor, Finding, host_and_port, origin};
use crate::app::dial::{Dialer, HttpClient};
use crate::app::enroll_device::{EnrollError, send};
use crate::dm::Envelope;
use crate::dm::enrollment::EnrollmentMessage;
use crate::flow::origin::{NamedHost, Origin, Reach, Scheme, UrlOrigin};
use crate::markup::{Hint, Limits, decode};
use crate::peer::enroll::device::{discover_request, exists_request};
use crate::peer::enroll::{CsrForm, EnrollProfile, Login};
use crate::proxy::{Trust, without_codings};
use crate::stay::kind::DISCOVERY;
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
    let certificate = client_certificate(handshake, &there);
    if !certificate.is_ok() && there.is_ok() {
        return Err(certificate);
    }
    findings.push(certificate);
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
        // A server may know POST alone at this path.
        if let 404 | 405 = answer.status().as_u16() {
            let found = discover(doctor, &client, &url).await;
            if found.first().is_some_and(Finding::is_ok) {
                findings.extend(found);
                return Ok(());
            }
        }
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
    let answer = ask(doctor, client, url).await;
    let (mut findings, mut named) = discovered(doctor, url, answer);
    named.push(origin(url));
    named.retain(|named| *named != origin(&doctor.server));
    let named = named.iter().filter_map(|named| named.parse::<Uri>().ok());
    let named = named.filter(|named| named.scheme_str() == Some("https"));
    for named in named.take(MOST_NAMED) {
        findings.push(named_host(doctor, &named).await);
    }
    findings
}

/// Sends Discover as a device of some user does.
pub(super) async fn ask(
    doctor: &Doctor,
    client: &HttpClient,
    url: &Uri,
) -> Result<Response<Bytes>, EnrollError> {
    let domain = doctor.domain.as_deref().unwrap_or("example.com");
    let user = format!("doctor@{domain}");
    let profile = EnrollProfile::new(user, Login::Password(String::new()), CsrForm::Windows11);
    send(client, discover_request(url, &profile)).await
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
    match doctor.handshake(&addresses, &host, port).await {
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
    match (handshake.asks, answer) {
        (true, Err(_)) => Finding::wrong(
            what,
            "the server closes connections without a client certificate",
            TAKE_OTHERS,
        ),
        (true, Ok(answer)) if misses_certificate(answer) => Finding::wrong(
            what,
            format!(
                "the server asks for one in the handshake, and answers HTTP {} without one",
                answer.status()
            ),
            TAKE_OTHERS,
        ),
        (true, Ok(_)) => Finding::ok(
            what,
            "the server asks for one in the handshake, and serves devices without one, too",
        ),
        (false, _) => Finding::ok(what, "the server does not ask for one in the handshake"),
    }
}

/// Whether a server that asked for a client certificate refuses by HTTP, as nginx and IIS do.
fn misses_certificate(answer: &Response<Bytes>) -> bool {
    let names = || answer.body().to_ascii_lowercase();
    match answer.status().as_u16() {
        495 | 496 => true,
        401 | 403 => !answer.headers().contains_key(WWW_AUTHENTICATE),
        400..500 => memchr::memmem::find(&names(), b"certificate").is_some(),
        _ => false,
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
pub(super) fn discovered(
    doctor: &Doctor,
    url: &Uri,
    answer: Result<Response<Bytes>, EnrollError>,
) -> (Vec<Finding>, Vec<String>) {
    let what = "discovery";
    let wrong = |text: String, remedy: &str| (vec![Finding::wrong(what, text, remedy)], Vec::new());
    let remedy = "check the server's log: Windows stops here, too";
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return wrong(error.to_string(), remedy),
    };
    let (head, body) = answer.into_parts();
    let document = decode(body.clone(), Hint::default(), &Limits::default()).ok();
    let envelope = document.as_ref().and_then(Envelope::of);
    if let Some(fault) = envelope.and_then(|envelope| envelope.fault()) {
        let code = fault.subcode().or_else(|| fault.code()).unwrap_or_default();
        let reason = fault.reason().unwrap_or_default();
        let remedy = "if it is about the user, give the mail domain with --domain";
        let text = format!("Discover is answered with the fault {code}: {reason}");
        return wrong(text, remedy);
    }
    let Some(EnrollmentMessage::DiscoverResponse(found)) = envelope.and_then(EnrollmentMessage::of)
    else {
        let status = head.status;
        let plain = without_codings(&body, &head.headers, Limits::default().bytes);
        if let Some(coding) = head.headers.get(CONTENT_ENCODING)
            && plain.is_ok_and(|plain| plain != body)
        {
            let coding = String::from_utf8_lossy(coding.as_bytes());
            let text = format!(
                "Discover is answered with Content-Encoding: {coding}, for which the request did not ask"
            );
            return wrong(
                text,
                "let the server code an answer only if Accept-Encoding asks for it",
            );
        }
        let words = plain_words(&head.headers, &body);
        let text =
            format!("Discover is answered with HTTP {status} and no DiscoverResponse{words}");
        return match status.as_u16() {
            404 | 405 | 410 | 501 => wrong(
                format!("{text}: the server has no enrollment at {url}"),
                NO_ENROLLMENT,
            ),
            _ => wrong(text, remedy),
        };
    };
    let policy = found.auth_policy().unwrap_or_default().into_owned();
    let here = [&doctor.server, url].map(|uri| origin(uri).parse::<Origin>().ok());
    let (mut kept, mut pages, mut away) = (Vec::new(), Vec::new(), Vec::new());
    for element in found.urls() {
        let name = element.local();
        let kind = DISCOVERY.iter().find(|kind| kind.name == name);
        let Some(named) = UrlOrigin::of(element.text().trim()).map(|url| url.origin) else {
            continue;
        };
        let is_learned = kind.is_some_and(|kind| kind.reach == Reach::Learned);
        let is_here = here.iter().flatten().any(|here| *here == named);
        match NamedHost::of(&named) {
            _ if here[1].as_ref() == Some(&named) => {}
            _ if is_here => kept.push(named.to_string()),
            _ if !is_learned => pages.push(named.to_string()),
            Some(_) => kept.push(named.to_string()),
            None => away.push(leads_past(name, &named)),
        }
    }
    let listed = |origins: &mut Vec<String>, words: &str, end: &str| {
        origins.sort();
        origins.dedup();
        match origins.join(", ") {
            none if none.is_empty() => none,
            origins => format!(", and {words} {origins}{end}"),
        }
    };
    let leads = listed(&mut kept, "leads to", ": dmtap --stay on keeps the device");
    let shows = listed(&mut pages, "names pages at", ", which stay outside dmtap");
    let text = format!("{url} answers with {policy} authentication{leads}{shows}");
    let mut findings = vec![Finding::ok(what, text)];
    findings.extend(away);
    if head.headers.contains_key(TRANSFER_ENCODING) {
        findings.push(Finding::optional(
            "framing",
            "the server answers Discover in chunks, which Windows refuses (HTTP-04)",
            "behind dmtap proxy the answer has a Content-Length; without dmtap the server has to send one",
        ));
    }
    kept.extend(pages);
    (findings, kept)
}

/// The first line of a plain text, as dmtap writes it where the server gives no answer: `: the server …`.
pub(super) fn plain_words(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(CONTENT_TYPE);
    let is_plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let words = String::from_utf8_lossy(&body[..body.len().min(MOST_WORDS)]);
    let words = words.lines().next().filter(|_| is_plain);
    words.map_or(String::new(), |words| format!(": {words}"))
}

/// An address that `stay` does not rewrite.
fn leads_past(name: &str, named: &Origin) -> Finding {
    let text = format!("{name} leads devices to {named}, past dmtap");
    let host = match named.scheme {
        Scheme::Https => "let the server write a host name there",
        Scheme::Http => "let the server write https:// there",
    };
    let remedy = format!("{host}, or start dmtap proxy with --map PUBLIC={named}");
    Finding::wrong("named address", text, remedy)
}

const NO_ENROLLMENT: &str = "if this server only manages devices that enroll elsewhere, nothing is wrong: the lines above say whether \
                             names, port and certificate are right; otherwise give doctor the whole address of discovery";
/// The limit of checked hosts of one discovery.
const MOST_NAMED: usize = 8;
/// Bytes of a plain text that are shown at most.
const MOST_WORDS: usize = 200;
/// The limit of the difference of the clocks, in seconds.
const CLOCKS_APART: i64 = 300;
