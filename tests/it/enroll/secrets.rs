//! Private keys: the device's key is in no record, file or message; dmtap's keys are only in identity.pem.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dmtap::app::enroll_device::renew;
use dmtap::flow::event::Event;
use dmtap::proxy::IdentityStore;
use dmtap::record::Masking;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::lab::Lab;
use super::mutual::device_key;
use super::*;
use crate::record::transcript::{json_lines, transcript};
use crate::support::running::start;

/// What gives a private key away: its numbers but for those that the public key has, in octets, in hexadecimal and in base64.
struct Secret(Vec<Vec<u8>>);

impl Secret {
    fn of(pkcs8: &[u8]) -> Self {
        let mut numbers = Vec::new();
        let octets = content(children(content(pkcs8))[2]);
        for number in &children(content(octets))[3..] {
            let octets = content(number);
            let first = octets.iter().position(|octet| *octet != 0).unwrap();
            numbers.push(octets[first..].to_vec());
        }
        assert_eq!(numbers.len(), 6, "d, p, q, dp, dq, qi");
        let mut needles = Vec::new();
        for number in numbers {
            let part = &number[..36];
            needles.push(part.to_vec());
            let hex: String = part.iter().map(|octet| format!("{octet:02x}")).collect();
            needles.push(hex.to_uppercase().into_bytes());
            needles.push(hex.into_bytes());
            for at in 0..3 {
                needles.push(STANDARD.encode(&part[at..at + 33]).into_bytes());
            }
        }
        Self(needles)
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let lines: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|b| !b"\r\n".contains(b))
            .collect();
        let find = |needle: &Vec<u8>| {
            [bytes, &lines]
                .iter()
                .any(|text| memchr::memmem::find(text, needle).is_some())
        };
        self.0.iter().any(find)
    }
}

/// The content of a DER element.
fn content(element: &[u8]) -> &[u8] {
    let (head, length) = head_and_length(element);
    &element[head..head + length]
}

fn children(mut content: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (head, length) = head_and_length(content);
        let (element, rest) = content.split_at(head + length);
        found.push(element);
        content = rest;
    }
    found
}

fn head_and_length(element: &[u8]) -> (usize, usize) {
    match usize::from(element[1]) {
        short @ ..0x80 => (2, short),
        long => {
            let octets = &element[2..2 + (long & 0x7f)];
            let length = octets
                .iter()
                .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            (2 + octets.len(), length)
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_private_key_is_in_a_record_a_message_or_a_file_but_identity_pem() {
    let bench = Bench::new(false).await;
    let lab = Lab::in_front_of((&bench.authority, bench.trust()), bench.address, |_| {}).await;
    let [(first, of_first), (second, of_second)] = [device_key(), device_key()];
    let of_device = [Secret::of(&of_first), Secret::of(&of_second)];
    let own = |lab: &Lab| -> Vec<Secret> {
        let stored = lab.store().list().unwrap().0;
        let pems = stored.iter().map(|it| lab.store().pem(&it.id).unwrap());
        let keys = pems.map(|pem| PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap());
        keys.map(|key| Secret::of(key.secret_pkcs8_der())).collect()
    };
    let profile = alice();
    let enrollment = lab
        .enroll_with(profile.clone(), first.clone())
        .await
        .unwrap();
    let old = own(&lab);
    let client = lab.client_of(&enrollment, &first);
    let mut device = EnrolledDevice::new(enrollment, profile.device_id.clone());
    let session = device.session(&client, "1", RetryPolicy::default());
    session.await.unwrap();
    let renewed = renew(&client, profile, &device.enrollment, &first, second.clone()).await;
    let client = lab.client_of(renewed.as_ref().unwrap(), &second);
    device.renewed(renewed.unwrap());
    let session = device.session(&client, "2", RetryPolicy::default());
    session.await.unwrap();
    let new = own(&lab);
    assert_eq!((old.len(), new.len()), (1, 1), "the old identity is gone");

    // The search finds what there is to find.
    assert!(of_device[0].is_in(&of_first) && !of_device[0].is_in(&of_second));
    assert!(of_device[1].is_in(STANDARD.encode(&of_second).as_bytes()));
    let all = || of_device.iter().chain(&old).chain(&new);
    let mut pems = 0;
    for file in files(lab.confdir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let is_pem = file.ends_with("identity.pem");
        assert_eq!(
            all().filter(|key| key.is_in(&bytes)).count(),
            usize::from(is_pem),
            "{file:?}"
        );
        assert_eq!(new[0].is_in(&bytes), is_pem, "{file:?}");
        pems += usize::from(is_pem);
    }
    assert_eq!(pems, 1);
    let nowhere = |what: &str, bytes: &[u8]| {
        assert!(!all().any(|key| key.is_in(bytes)), "{what}");
    };
    let events = lab.log.events();
    let mut messages = 0;
    for event in &events {
        if let Event::Request(message) | Event::Response(message) = event {
            nowhere("received", &message.body.received);
            nowhere("sent", &message.body.sent);
            messages += 1;
        }
        nowhere("Debug", format!("{event:?}").as_bytes());
    }
    assert!(messages > 20, "{messages}");
    for masking in [Masking::Masked, Masking::Raw] {
        nowhere("JSON lines", &json_lines(&events, masking));
        nowhere("transcript", transcript(&events, masking).as_bytes());
    }
    let masked = [
        json_lines(&events, Masking::Masked),
        transcript(&events, Masking::Masked).into(),
    ];
    for secret in ["Tr0ub4dor", "OhBehave", "Serv3rSecret"] {
        let shows = |text: &Vec<u8>| memchr::memmem::find(text, secret.as_bytes()).is_some();
        assert!(!masked.iter().any(shows), "{secret}");
    }
}

/// Passes bytes on both ways, and keeps them.
async fn relay(listener: TcpListener, to: SocketAddr, seen: Arc<Mutex<Vec<u8>>>) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(to).await.unwrap();
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        tokio::spawn(pass(near_read, far_write, seen.clone()));
        tokio::spawn(pass(far_read, near_write, seen.clone()));
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_private_key_is_in_the_operators_log_the_capture_or_on_the_wire() {
    let bench = Bench::new(false).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let wire = Arc::new(Mutex::new(Vec::new()));
    // The names of the server lead to another loopback address, with its port.
    let port = bench.address.port();
    let to_server = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port))
        .await
        .unwrap();
    tokio::spawn(relay(to_server, bench.address, wire.clone()));
    let confdir = bench.authority.certificate_file().parent().unwrap();
    let [record, capture, log] = ["x.jsonl", "x.pcapng", "dmtap.log"].map(file);
    let ca = bench.authority.certificate_file();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments: Vec<String> = ["proxy", "-vv", "-p", "0", "--swap-client-identity"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend([
        "--mode".into(),
        format!("reverse:https://{DISCOVERY}:{port}"),
    ]);
    arguments.extend(["--confdir".into(), text(confdir)]);
    arguments.extend(["--server-ca".into(), text(ca)]);
    arguments.extend(["-w".into(), text(&record), "-w".into(), text(&capture)]);
    for host in [DISCOVERY, MANAGEMENT] {
        arguments.extend(["--resolve".into(), format!("{host}:{port}:127.0.0.2")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
    let dmtap = start(&arguments, &log);
    let (_, dmtap_port) = dmtap.address.rsplit_once(':').unwrap();
    let dmtap_address = SocketAddr::from(([127, 0, 0, 1], dmtap_port.parse().unwrap()));
    let to_dmtap = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let here = to_dmtap.local_addr().unwrap();
    tokio::spawn(relay(to_dmtap, dmtap_address, wire.clone()));

    let (key, of_device) = device_key();
    let dialer = Dialer::without_dns(vec![Resolve::new("one.dmtap.test", 443, here)]);
    let profile = alice();
    let id = profile.device_id.clone();
    let client = dialer.client(&bench.trust()).unwrap();
    let url = "https://one.dmtap.test/EnrollmentServer/Discovery.svc";
    let enrollment = enroll(&client, profile, key.clone(), url.parse().unwrap()).await;
    let enrollment = enrollment.unwrap();
    let certificate = &enrollment.certificate;
    let client = dialer.client_with(&bench.trust(), certificate, key.clone());
    let client = client.unwrap();
    let mut device = EnrolledDevice::new(enrollment, id);
    let session = device.session(&client, "1", RetryPolicy::default());
    session.await.unwrap();
    drop(client);
    assert_eq!(dmtap.terminate(), Some(0));

    let store = IdentityStore::of(confdir);
    let stored = store.list().unwrap().0;
    let pem = store.pem(&stored[0].id).unwrap();
    let own = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
    let keys = [Secret::of(&of_device), Secret::of(own.secret_pkcs8_der())];
    assert!(
        keys[1].is_in(&pem),
        "the search finds what there is to find"
    );
    let [record, capture, log] = [record, capture, log].map(|path| std::fs::read(path).unwrap());
    let wire = wire.lock().unwrap().clone();
    let said = String::from_utf8_lossy(&log);
    assert!(
        said.contains("listening at") && wire.len() > 20_000,
        "{said}"
    );
    let has = |bytes: &[u8], text: &[u8]| memchr::memmem::find(bytes, text).is_some();
    assert!(has(&capture, b"RequestSecurityToken") && has(&record, b"SWAP-01"));
    for (what, bytes) in [
        ("JSON lines", &record),
        ("pcapng", &capture),
        ("log", &log),
        ("wire", &wire),
    ] {
        assert!(!keys.iter().any(|key| key.is_in(bytes)), "{what}");
    }
    for secret in ["Tr0ub4dor", "OhBehave", "Serv3rSecret"] {
        let shows = |bytes: &Vec<u8>| has(bytes, secret.as_bytes());
        assert!(
            ![&record, &capture, &log, &wire].into_iter().any(shows),
            "{secret}"
        );
    }
}
