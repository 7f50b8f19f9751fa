//! A device, dmtap with a built-in rule, and a reference server, over real TLS on loopback.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dmtap::app::device::{RetryPolicy, run_session};
use dmtap::app::dial::{Dialer, HttpClient};
use dmtap::app::server;
use dmtap::builtin_rules::BuiltinRule;
use dmtap::dm::StatusCode;
use dmtap::flow::event::{Event, EventSink};
use dmtap::flow::{CapturedMessage, RuleEffect, Side};
use dmtap::markup::{Hint, Limits, decode};
use dmtap::peer::{Device, Encoding, Plan, Profile, Server, device::demo_tree};
use dmtap::proxy::{Authority, Origin, Proxy, Scheme, Settings, Trust};
use dmtap::rules::{RuleSet, load};
use dmtap::stay::Extent;
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::lines;
use super::tried::{self, Tried};

/// What came of a built-in rule.
pub struct Played {
    /// Everything that was not as it would have been without rules, see [`lines::of`].
    pub lines: Vec<String>,
    /// The rules that acted.
    pub acted: Vec<String>,
    /// What the device did, and what it answered.
    pub device: Outcomes,
    /// What the server received.
    pub server: Outcomes,
    /// What came of it when its record was tried.
    pub tried: Tried,
    /// Why the device's session did not come to its end.
    pub broken: Option<String>,
}

/// Commands with the codes of their outcomes, in order.
pub type Outcomes = Vec<(String, StatusCode)>;

/// Plays a built-in rule in so many sessions of one device.
pub async fn play(
    builtin: &BuiltinRule,
    authority: Arc<Authority>,
    wire: Encoding,
    sessions: u32,
    extent: Extent,
) -> Played {
    let plan = match builtin.is_about_chunks() {
        true => Plan::large(),
        false => Plan::for_builtin_rules(),
    };
    play_plan(builtin, plan, authority, wire, sessions, extent).await
}

/// The same with what the server asks for.
pub async fn play_plan(
    builtin: &BuiltinRule,
    plan: Plan,
    authority: Arc<Authority>,
    wire: Encoding,
    sessions: u32,
    extent: Extent,
) -> Played {
    let rules = RuleSet::from_rules(load::parse(builtin.name, builtin.text).unwrap()).unwrap();
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Origin {
        scheme: Scheme::Https,
        host: "localhost".into(),
        port: listener.local_addr().unwrap().port(),
    };
    let peer = Arc::new(Mutex::new(Server::new(plan)));
    let tls = server::tls(&authority).unwrap();
    let serving = server::serve(listener, tls, peer.clone(), |_| {}, stop.clone());
    let serving = tokio::spawn(serving);

    let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    let mut settings = Settings::reverse(upstream);
    settings.listen.set_port(0);
    settings.trust = trust.clone();
    settings.stay.extent = Some(extent);
    let log = Arc::new(EventLog::default());
    let proxy = Proxy::bind(settings, authority, Arc::new(rules), log.clone())
        .await
        .unwrap();
    let port = proxy.local_addr().port();
    let address = format!("https://localhost:{port}/ManagementServer/MDM.svc?mode=Maintenance");
    let running = tokio::spawn(proxy.run(stop.clone()));

    let client = Dialer::new(Vec::new()).client(&trust).unwrap();
    let profile = Profile::default();
    let id = profile.id.clone();
    let mut device = Device::new(profile, demo_tree());
    let address = address.parse().unwrap();
    let mut done = Vec::new();
    let session = async {
        if builtin.theme == "enrollment" {
            return Err(enroll(&client, port).await);
        }
        for number in 1..=sessions {
            let number = number.to_string();
            let end = run_session(&client, &address, &mut device, &number, wire, IMPATIENT).await;
            done.append(&mut device.done);
            end.map_err(|error| without_address(&error.to_string()))?;
        }
        Ok(())
    };
    let end = tokio::time::timeout(LONGEST, session).await;
    let end = end.unwrap_or_else(|_| panic!("{} does not end", builtin.name));
    drop(client);
    stop.cancel();
    running.await.unwrap();
    serving.await.unwrap();

    let events = log.0.lock();
    let passages: Vec<&CapturedMessage> = events.iter().filter_map(captured).collect();
    for captured in &passages {
        only_the_splices_changed(builtin, captured);
    }
    let acted = passages.iter().flat_map(|p| &p.applied);
    let admitted = events.iter().filter_map(|event| match event {
        Event::ConnectionDecided { applied, .. } => Some(applied),
        _ => None,
    });
    let acted = acted
        .chain(admitted.flatten())
        .filter(|applied| acts(applied));
    let peer = peer.lock();
    let numbers = (1..=sessions).map(|number| number.to_string());
    let log = numbers.filter_map(|number| Some(peer.session(&id, &number)?.outcomes.clone()));
    Played {
        tried: tried::again(builtin, &events),
        lines: lines::of(&events),
        acted: acted.map(|applied| applied.rule.clone()).collect(),
        device: done,
        server: log.flatten().collect(),
        broken: end.err(),
    }
}

/// Asks for a certificate, and tells what came instead: the SOAP fault in a few words.
async fn enroll(client: &HttpClient, port: u16) -> String {
    let request = http::Request::post(format!(
        "https://localhost:{port}/EnrollmentServer/DeviceEnrollmentWebService.svc"
    ));
    let request = request.header("content-type", "application/soap+xml; charset=utf-8");
    let body = Full::from(Bytes::from_static(REQUEST_SECURITY_TOKEN));
    let response = client.request(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let document = decode(body, Hint::default(), &Limits::default()).unwrap();
    let said = ["RelatesTo", "Value", "ErrorType", "Message"].map(|name| {
        let elements = document.elements().filter(|e| e.local() == name);
        let texts: Vec<_> = elements.map(|e| e.text().into_owned()).collect();
        texts.join(" ")
    });
    format!("HTTP {status}: {}", said.join(" ").trim_end())
}

const REQUEST_SECURITY_TOKEN: &[u8] = b"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header><a:MessageID>urn:uuid:1</a:MessageID></s:Header>\
    <s:Body><wst:RequestSecurityToken xmlns:wst=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\"><wst:RequestType>\
    http://docs.oasis-open.org/ws-sx/ws-trust/200512/Renew</wst:RequestType></wst:RequestSecurityToken></s:Body>\
    </s:Envelope>";

/// An error without the address, which has another port in each run, and without offsets and times.
fn without_address(error: &str) -> String {
    let error = [": at byte", ": verification time"]
        .iter()
        .find_map(|mark| Some(error.split_once(mark)?.0))
        .unwrap_or(error);
    let (_, reason) = error
        .split_once("mode=Maintenance: ")
        .unwrap_or(("", error));
    reason.into()
}

/// The parts of what was sent that no rule's patch wrote are the received bytes, in order.
fn only_the_splices_changed(builtin: &BuiltinRule, captured: &CapturedMessage) {
    let Some(document) = captured.body.parsed.document() else {
        return;
    };
    let mut body = document.source().clone();
    only_three_digits_changed(builtin, captured);
    for applied in &captured.applied {
        for splice in applied.patch.splices() {
            let whole = splice.span.start == 0 && splice.span.end as usize == body.len();
            assert!(!whole, "{}: the whole body is one splice", builtin.name);
        }
        body = applied.patch.apply(&body);
    }
    if captured.from == Side::Server && captured.synthesized {
        return;
    }
    assert!(
        body == captured.body.sent,
        "{}: the bytes outside the patches of the rules changed",
        builtin.name
    );
}

/// Where one code was set, and nothing else was done, the messages differ in three digits.
fn only_three_digits_changed(builtin: &BuiltinRule, captured: &CapturedMessage) {
    let (received, sent) = (&captured.body.received, &captured.body.sent);
    let changes: Vec<_> = captured.applied.iter().flat_map(|a| &a.changes).collect();
    if changes.len() != 1 || changes[0].step != "set-status" {
        return;
    }
    let before = received
        .iter()
        .zip(sent)
        .take_while(|(a, b)| a == b)
        .count();
    let after = received[before..]
        .iter()
        .rev()
        .zip(sent[before..].iter().rev());
    let after = after.take_while(|(a, b)| a == b).count();
    let name = builtin.name;
    assert_eq!(received.len(), sent.len(), "{name}: one code for another");
    assert!(
        sent.len() - before - after <= 3,
        "{name}: other bytes changed"
    );
}

fn captured(event: &Event) -> Option<&CapturedMessage> {
    match event {
        Event::Request(captured) | Event::Response(captured) => Some(captured),
        _ => None,
    }
}

fn acts(applied: &RuleEffect) -> bool {
    let mut changes = applied.changes.iter();
    changes.any(|change| change.step != "not applied")
}

#[derive(Default)]
struct EventLog(Mutex<Vec<Event>>);

impl EventSink for EventLog {
    fn on_event(&self, event: Event) {
        self.0.lock().push(event);
    }
}

/// What a server asks to wait is not waited for: a minute and more.
const IMPATIENT: RetryPolicy = RetryPolicy {
    longest: Duration::from_millis(20),
    on_busy: |_| {},
};
/// Longer than any built-in rule takes.
const LONGEST: Duration = Duration::from_secs(60);
