//! A device that enrolls through the proxy stays on it: several servers, hosts on the way, redirects.

mod clear;

use std::path::Path;

use bytes::Bytes;
use dmtap::flow::Event;
use dmtap::flow::origin::OriginPair;
use dmtap::proxy::{BodyCapture, Origin, Resolve, Settings, StaySettings, Trust};
use dmtap::stay::Extent;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::device::{Device, tls};
use super::rig::Rig;
use super::server::Server;

const SOAP: &str = "application/soap+xml; charset=utf-8";

/// Three servers with names of their own, of which dmtap knows two.
struct Lab {
    directory: TempDir,
    mdm: Server,
    dm: Server,
    other: Server,
}

impl Lab {
    async fn start(alpn: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = directory.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let mdm = Server::start(&folder("mdm"), alpn).await;
        let dm = Server::start(&folder("dm"), alpn).await;
        let other = Server::start(&folder("other"), alpn).await;
        let roots = [&mdm, &dm, &other].map(|server| std::fs::read_to_string(&server.ca).unwrap());
        std::fs::write(directory.path().join("roots.pem"), roots.concat()).unwrap();
        Self {
            directory,
            mdm,
            dm,
            other,
        }
    }

    fn settings(&self) -> Settings {
        let server = |name: &str, server: &Server| {
            format!("https://{name}.example.com:{}", server.address.port())
        };
        let resolve = |name: &str, server: &Server| {
            let name = format!("{name}.example.com");
            Resolve::new(&name, server.address.port(), server.address)
        };
        let upstream: Origin = server("mdm", &self.mdm).parse().unwrap();
        Settings {
            trust: Trust::PlatformAnd(self.directory.path().join("roots.pem")),
            stay: StaySettings {
                maps: vec![OriginPair {
                    public: "https://dm.lab.test".parse().unwrap(),
                    server: server("dm", &self.dm).parse().unwrap(),
                }],
                learned_file: Some(self.directory.path().join("origins.json")),
                ..StaySettings::default()
            },
            resolve: vec![
                resolve("mdm", &self.mdm),
                resolve("dm", &self.dm),
                resolve("other", &self.other),
            ],
            ..Settings::reverse(upstream)
        }
    }

    /// A text with the ports of the servers in place of their names.
    fn with_ports(&self, text: &str) -> String {
        let port = |server: &Server| server.address.port().to_string();
        text.replace("MDM", &port(&self.mdm))
            .replace("DM", &port(&self.dm))
            .replace("OTHER", &port(&self.other))
    }
}

async fn device(rig: &Rig, alpn: &str, name: &str) -> Device {
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let stream = tls(tcp, &rig.ca(), alpn, name).await.unwrap();
    Device::over(stream, alpn).await
}

fn request(device: &Device, authority: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder()
        .method("POST")
        .header("content-type", SOAP);
    let request = match device {
        Device::Http1(_) => request.uri(path).header("Host", authority),
        Device::Http2(_) => request.uri(format!("https://{authority}{path}")),
    };
    request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

const DISCOVERED: &str = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Header/><s:Body><DiscoverResponse>\
    <DiscoverResult><EnrollmentPolicyServiceUrl>https://other.example.com:OTHER/policy?x=1</EnrollmentPolicyServiceUrl>\
    <EnrollmentServiceUrl>https://mdm.example.com:MDM/enroll</EnrollmentServiceUrl>\
    <GatewayService>https://dm.example.com:DM/gw</GatewayService></DiscoverResult></DiscoverResponse></s:Body></s:Envelope>";

/// What a device that named `lab.test:8443` gets of that.
const STAYED: &str = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Header/><s:Body><DiscoverResponse>\
    <DiscoverResult><EnrollmentPolicyServiceUrl>https://lab.test:8443/.dmtap/at/other.example.com:OTHER/policy?x=1</EnrollmentPolicyServiceUrl>\
    <EnrollmentServiceUrl>https://lab.test:8443/enroll</EnrollmentServiceUrl>\
    <GatewayService>https://dm.lab.test/gw</GatewayService></DiscoverResult></DiscoverResponse></s:Body></s:Envelope>";

#[tokio::test]
async fn a_device_stays_with_several_servers_in_both_versions_of_http() {
    for alpn in ["http/1.1", "h2"] {
        for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
            let lab = Lab::start(&["h2", "http/1.1"]).await;
            let rig = Rig::start(Settings {
                body_capture,
                ..lab.settings()
            })
            .await;
            let mut device = device(&rig, alpn, "lab.test").await;
            let path = "/.dmtap/at/other.example.com:OTHER/policy?x=1";
            let path = lab.with_ports(path);
            let early = request(&device, "lab.test:8443", &path, "");
            assert_eq!(
                device.send(early).await.unwrap().status(),
                StatusCode::NOT_FOUND
            );

            let ask = request(
                &device,
                "lab.test:8443",
                "/EnrollmentServer/Discovery.svc",
                &lab.with_ports(DISCOVERED),
            );
            let response = device.send(ask).await.unwrap();
            assert_eq!(text(&response), lab.with_ports(STAYED));
            assert_eq!(
                response.headers()["content-length"],
                response.body().len().to_string()
            );

            // The host in the path, then the server behind another name, on one connection.
            let ask = request(&device, "lab.test:8443", &path, "<a/>");
            assert_eq!(text(&device.send(ask).await.unwrap()), "<a/>");
            assert_eq!(lab.other.last().path, "/policy?x=1");
            assert_eq!(
                authority(&lab.other),
                lab.with_ports("other.example.com:OTHER")
            );
            let ask = request(&device, "dm.lab.test", "/gw", "<b/>");
            assert_eq!(text(&device.send(ask).await.unwrap()), "<b/>");
            assert_eq!(lab.dm.last().path, "/gw");
            assert_eq!(authority(&lab.dm), lab.with_ports("dm.example.com:DM"));
            rig.stop().await;

            // What was learned outlives the run.
            let rig = Rig::start(lab.settings()).await;
            let mut device = self::device(&rig, alpn, "lab.test").await;
            let ask = request(&device, "lab.test:8443", &path, "<c/>");
            assert_eq!(text(&device.send(ask).await.unwrap()), "<c/>");
            let kept = std::fs::read_to_string(lab.directory.path().join("origins.json")).unwrap();
            assert!(
                kept.contains(&lab.with_ports("\"other.example.com:OTHER\"")),
                "{kept}"
            );
            rig.stop().await;
        }
    }
}

/// The authority that a server was last asked for.
fn authority(server: &Server) -> String {
    let seen = server.last();
    let host = seen
        .headers
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    host.or(seen.authority).unwrap()
}

#[tokio::test]
async fn only_hosts_that_a_server_named_are_reached_below_dmtap() {
    let lab = Lab::start(&["http/1.1"]).await;
    let rig = Rig::start(lab.settings()).await;
    let mut device = device(&rig, "http/1.1", "lab.test").await;
    let paths = [
        "/.dmtap/at/example.org/",
        "/.dmtap/at/127.0.0.1:22/",
        "/.dmtap/at/localhost/",
        "/.dmtap/at/",
        "/.dmtap/",
        "/.dmtap",
        "/.dmtap/ca.cer/x",
        "/.dmtap/origins.json",
    ];
    for path in paths {
        let ask = request(&device, "lab.test", path, "<a/>");
        let response = device.send(ask).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let ask = request(&device, "lab.test", "/.dmtapped", "<a/>");
    assert_eq!(device.send(ask).await.unwrap().status(), StatusCode::OK);
    assert_eq!(lab.mdm.seen.lock().unwrap().len(), 1);
    // 64 hosts are learned, and the 65th is not.
    let named = |n: usize| {
        let url = format!("https://h{n}.example.com/x");
        format!(
            "<Envelope><Body><DiscoverResult><EnrollmentServiceUrl>{url}</EnrollmentServiceUrl></DiscoverResult></Body></Envelope>"
        )
    };
    for n in 0..65 {
        let ask = request(&device, "lab.test", "/", &named(n));
        let stays = text(&device.send(ask).await.unwrap()).contains("https://lab.test/.dmtap/at/h");
        assert_eq!(stays, n < 64, "{n}");
    }
    let ask = request(&device, "lab.test", "/.dmtap/at/h64.example.com/x", "<a/>");
    assert_eq!(
        device.send(ask).await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    rig.stop().await;
}

#[tokio::test]
async fn the_listener_serves_its_certificate() {
    let lab = Lab::start(&["http/1.1"]).await;
    for settings in [lab.settings(), Settings::regular()] {
        let rig = Rig::start(settings).await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut device = Device::over(tcp, "http/1.1").await;
        let ask = device.request("GET", "/.dmtap/ca.cer", "");
        let response = device.send(ask).await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/x-x509-ca-cert"
        );
        let der = std::fs::read(rig.directory.path().join("dmtap-ca-cert.pem")).unwrap();
        let pem = rustls::pki_types::pem::PemObject::from_pem_slice(&der);
        let der: rustls::pki_types::CertificateDer<'static> = pem.unwrap();
        assert_eq!(response.body().as_ref(), der.as_ref());
        let ask = device.request("POST", "/.dmtap/ca.cer", "");
        assert_eq!(
            device.send(ask).await.unwrap().status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        rig.stop().await;
    }
}

#[tokio::test]
async fn redirects_lead_to_dmtap() {
    let lab = Lab::start(&["http/1.1"]).await;
    let rig = Rig::start(lab.settings()).await;
    let mut device = device(&rig, "http/1.1", "lab.test").await;
    let mut check = async |path: &str, location: &str, expected: &str| {
        let mut ask = request(&device, "lab.test", &lab.with_ports(path), "");
        ask.headers_mut()
            .insert("x-location", lab.with_ports(location).parse().unwrap());
        let response = device.send(ask).await.unwrap();
        assert_eq!(
            response.headers()["location"],
            lab.with_ports(expected).as_str()
        );
    };
    check(
        "/a",
        "https://Mdm.example.com:MDM/b?c",
        "https://lab.test/b?c",
    )
    .await;
    check("/a", "/b", "/b").await;
    let below = "https://lab.test/.dmtap/at/other.example.com:OTHER/b";
    check("/a", "https://other.example.com:OTHER/b", below).await;
    check(
        "/.dmtap/at/other.example.com:OTHER/b",
        "/c",
        "/.dmtap/at/other.example.com:OTHER/c",
    )
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn rules_see_the_addresses_of_the_server_and_records_show_what_stay_did() {
    let lab = Lab::start(&["http/1.1"]).await;
    let rig = Rig::start(lab.settings()).await;
    rig.rule(&lab.with_ports(
        "[[rule]]\nname = \"seen\"\nstage = \"request\"\nmatch.path = \"/\"\n\
         step = { replace-text = \"https://mdm.example.com:MDM/to\", with = \"https://mdm.example.com:MDM/changed\" }\n",
    ));
    let mut device = device(&rig, "http/1.1", "lab.test").await;
    let envelope = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing'>\
        <s:Header><a:To>https://lab.test/to</a:To></s:Header><s:Body/></s:Envelope>";
    let ask = request(&device, "lab.test", "/", envelope);
    device.send(ask).await.unwrap();
    let body = String::from_utf8(lab.mdm.last().body.to_vec()).unwrap();
    assert!(
        body.contains(&lab.with_ports("<a:To>https://mdm.example.com:MDM/changed</a:To>")),
        "{body}"
    );
    let request = rig.log.request().await;
    let rules: Vec<&str> = request
        .applied
        .iter()
        .map(|applied| &*applied.rule)
        .collect();
    assert_eq!(rules, ["stay", "seen"]);
    assert_eq!(request.applied[0].changes[0].path, "/Envelope/Header/To");
    assert_eq!(request.applied[0].changes[0].before, "https://lab.test/to");
    rig.stop().await;
}

#[tokio::test]
async fn with_stay_off_or_equal_origins_every_byte_passes() {
    let lab = Lab::start(&["http/1.1"]).await;
    let port = lab.mdm.address.port();
    let same = format!("mdm.example.com:{port}");
    let mut off = lab.settings();
    off.stay.extent = None;
    let mut equal = lab.settings();
    equal.stay.maps.clear();
    for (settings, authority) in [(off, "lab.test"), (equal, &*same)] {
        let rig = Rig::start(settings).await;
        let mut device = device(&rig, "http/1.1", "lab.test").await;
        let sent = lab.with_ports(DISCOVERED);
        let ask = request(&device, authority, "/", &sent);
        assert_eq!(text(&device.send(ask).await.unwrap()), sent);
        rig.stop().await;
    }
}

#[tokio::test]
async fn links_of_a_page_lead_to_dmtap_whether_anybody_looks_or_not() {
    let lab = Lab::start(&["http/1.1"]).await;
    for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
        let rig = Rig::start(Settings {
            body_capture,
            ..lab.settings()
        })
        .await;
        let mut device = device(&rig, "http/1.1", "lab.test").await;
        let form =
            lab.with_ports("<p><form action=\"https://dm.example.com:DM/sts?a&amp;b\"> <br>");
        let mut ask = request(&device, "lab.test:8443", "/", &form);
        let html = "text/html; charset=utf-8".parse().unwrap();
        ask.headers_mut().insert("content-type", html);
        let response = device.send(ask).await.unwrap();
        let expected = "<p><form action=\"https://dm.lab.test/sts?a&amp;b\"> <br>";
        assert_eq!(text(&response), expected, "{body_capture:?}");
        let applied = &rig.log.response().await.applied;
        assert_eq!((applied.len(), &*applied[0].rule), (1, "stay"));
        rig.stop().await;
    }
}

#[tokio::test]
async fn what_is_under_a_mac_passes_and_is_noted() {
    let lab = Lab::start(&["http/1.1"]).await;
    let mut settings = lab.settings();
    settings.stay.extent = Some(Extent::Full);
    let rig = Rig::start(settings).await;
    let mut device = device(&rig, "http/1.1", "lab.test").await;
    let message = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><Target><LocURI>https://lab.test/dm</LocURI></Target></SyncHdr><SyncBody/></SyncML>";
    let mut ask = request(&device, "lab.test", "/", message);
    ask.headers_mut()
        .insert("x-syncml-hmac", "mac=x".parse().unwrap());
    device.send(ask).await.unwrap();
    assert_eq!(lab.mdm.last().body, message);
    let noted = rig.log.request().await;
    let ids: Vec<&str> = noted.notes.iter().map(|note| note.id).collect();
    assert!(ids.contains(&"STAY-02"), "{ids:?}");
    let ask = request(&device, "lab.test", "/", message);
    device.send(ask).await.unwrap();
    let body = String::from_utf8(lab.mdm.last().body.to_vec()).unwrap();
    assert!(body.contains("<LocURI>https://mdm.example.com:"), "{body}");
    rig.stop().await;
}

#[tokio::test]
async fn a_file_of_hosts_that_is_broken_is_named() {
    let lab = Lab::start(&["http/1.1"]).await;
    let settings = lab.settings();
    let file: &Path = settings.stay.learned_file.as_deref().unwrap();
    std::fs::write(file, "{\"v\":1,\"hosts\":[\"10.0.0.1\"]}").unwrap();
    let authority = dmtap::proxy::Authority::load_or_create(lab.directory.path()).unwrap();
    let sink = std::sync::Arc::new(super::rig::EventLog::default());
    let listen = ([127, 0, 0, 1], 0).into();
    let settings = Settings { listen, ..settings };
    let bound =
        dmtap::proxy::Proxy::bind(settings, authority.into(), std::sync::Arc::default(), sink)
            .await;
    let why = bound.err().unwrap().to_string();
    assert!(
        why.contains("origins.json: \"10.0.0.1\" is no host name"),
        "{why}"
    );
}

#[tokio::test]
async fn a_failure_names_the_server_where_it_is_not_the_one_of_the_connection() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let port = closed.port();
    let server = |name: &str| format!("https://{name}.example.com:{port}");
    let rig = Rig::start(Settings {
        stay: StaySettings {
            maps: vec![OriginPair {
                public: "https://dm.lab.test".parse().unwrap(),
                server: server("dm").parse().unwrap(),
            }],
            ..StaySettings::default()
        },
        resolve: ["mdm", "dm"]
            .map(|name| Resolve::new(&format!("{name}.example.com"), port, closed))
            .into(),
        ..Settings::reverse(server("mdm").parse().unwrap())
    })
    .await;
    let refused = "the server refused the connection: nothing listens at its address and port";
    for (name, expected) in [
        ("lab.test", refused.to_owned()),
        ("dm.lab.test", format!("dm.example.com:{port}: {refused}")),
    ] {
        let mut device = device(&rig, "http/1.1", name).await;
        let ask = request(&device, name, "/a", "");
        let response = device.send(ask).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        // It is recorded before the device gets the answer.
        let events = rig.log.events();
        let why = events.iter().rev().find_map(|event| match event {
            Event::Failed { why, .. } => Some(why.clone()),
            _ => None,
        });
        assert_eq!(why, Some(expected));
    }
}
