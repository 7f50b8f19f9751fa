//! Servers without TLS that know the https name in front of them, and devices behind something that ends TLS.

use std::sync::{Arc, Mutex};

use dmtap::proxy::{Origin, Settings};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::{DISCOVERED, Device, Rig, SOAP, device, request, text};

#[tokio::test]
async fn a_server_without_tls_that_writes_its_public_https_name_stands_behind_that_name() {
    for (port, host) in [("", "mdm.example.com"), (":9443", "mdm.example.com:9443")] {
        let clear = Clear::start().await;
        let line = format!(
            "mdm.example.com:{}:http://localhost:{}",
            port.strip_prefix(':').unwrap_or("443"),
            clear.address.port()
        );
        let upstream = format!("https://mdm.example.com{port}").parse().unwrap();
        let rig = Rig::start(Settings {
            resolve: vec![line.parse().unwrap()],
            ..Settings::reverse(upstream)
        })
        .await;
        for alpn in ["http/1.1", "h2"] {
            let mut device = device(&rig, alpn, "lab.test").await;
            let discovered = DISCOVERED.replace(":MDM", port);
            let ask = request(&device, "lab.test:8443", "/d?x=1", &discovered);
            let answer = text(&device.send(ask).await.unwrap());
            assert!(
                answer.contains("<EnrollmentServiceUrl>https://lab.test:8443/enroll<"),
                "{answer}"
            );
            assert_eq!(clear.last(), ("/d?x=1".into(), host.into()));
            let to = "<Envelope><Header><To>https://lab.test:8443/enroll</To></Header><Body/></Envelope>";
            let ask = request(&device, "lab.test:8443", "/enroll", to);
            let came = text(&device.send(ask).await.unwrap());
            assert!(
                came.contains(&format!("<To>https://{host}/enroll</To>")),
                "{came}"
            );
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_device_behind_something_that_ends_tls_gets_https() {
    let clear = Clear::start().await;
    let upstream: Origin = format!("http://{}", clear.address).parse().unwrap();
    let discovered = DISCOVERED.replace("https://mdm.example.com:MDM", &upstream.to_string());
    let rig = Rig::start(Settings::reverse(upstream)).await;
    for (proto, expected) in [
        (None, "http"),
        (Some("http"), "http"),
        (Some("https"), "https"),
    ] {
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let mut device = Device::over(tcp, "http/1.1").await;
        let mut ask = request(&device, "abc.example.net", "/", &discovered);
        if let Some(proto) = proto {
            let fields = ask.headers_mut();
            fields.insert("x-forwarded-proto", proto.parse().unwrap());
        }
        let answer = text(&device.send(ask).await.unwrap());
        let url = format!("<EnrollmentServiceUrl>{expected}://abc.example.net/enroll<");
        assert!(answer.contains(&url), "{proto:?}: {answer}");
    }
    rig.stop().await;
}

/// A server in clear text that echoes bodies, and keeps the path and Host of each request.
struct Clear {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Clear {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<(String, String)>>>::default();
        let kept = seen.clone();
        let answer = move |request: Request<hyper::body::Incoming>| {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let target = request.uri().to_string();
            kept.lock().unwrap().push((target, host));
            async {
                let body = request.into_body().collect().await?.to_bytes();
                let answer = Response::builder().header("content-type", SOAP);
                Ok::<_, hyper::Error>(answer.body(Full::new(body)).unwrap())
            }
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = hyper::service::service_fn(answer.clone());
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { address, seen }
    }

    fn last(&self) -> (String, String) {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}
