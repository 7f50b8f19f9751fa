//! `--forward-client-cert`: the server gets the device's certificate, and no forged one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Lab, certificates, text_of};
use crate::support::peers::have;
use crate::support::running::Running;

/// A server in clear text that answers each request with its head.
fn mirror() -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(tcp.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let body = head.join("\n");
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
            let _ = write!(tcp, "{head}Content-Length: {length}\r\n\r\n{body}");
        }
    });
    port
}

#[test]
fn the_server_sees_the_certificate_of_curl_and_no_forged_field() {
    if !have("curl") {
        return;
    }
    let lab = Lab::open();
    lab.client("device");
    let pem = std::fs::read_to_string(lab.path("device.pem")).unwrap();
    let chain = certificates(&pem);
    let mode = format!("reverse:http://127.0.0.1:{}", mirror());
    let start = |form: &str| lab.dmtap(&["--mode", &mode, "--forward-client-cert", form]);
    let forged = "client-cert: forged";
    let get = |proxy: &Running, certificate: &[&str]| {
        let fields = [
            "Client-Cert: forged",
            "CLIENT_CERT: forged",
            "Client-Cert-Chain: forged",
            "Connection: close, Client-Cert",
        ];
        let mut all = certificate.to_vec();
        fields.iter().for_each(|field| all.extend(["-H", field]));
        let got = lab.get(proxy, &all).to_lowercase();
        assert!(!got.contains("forged"), "{got}");
        got
    };
    let file = lab.path("device.pem");
    let own = ["--cert", text_of(&file)];
    for version in ["--http1.1", "--http2"] {
        let proxy = start("rfc9440");
        let got = get(&proxy, &[&own[..], &[version]].concat());
        let expected = format!("client-cert: :{}:", STANDARD.encode(&chain[0]));
        assert!(got.contains(&expected.to_lowercase()), "{got}");
        let got = get(&proxy, &[version]);
        assert!(!got.contains("client-cert"), "{got}");
    }
    let proxy = start("der=client-cert");
    let got = lab.get(&proxy, &[&own[..], &["-H", forged]].concat());
    let expected = format!("client-cert: {}", STANDARD.encode(&chain[0]));
    assert!(got.contains(&expected), "{got}");
    let got = lab.get(&start("xfcc"), &own);
    let expected = format!("x-forwarded-client-cert: Hash={}", sha256(&chain[0]));
    assert!(got.contains(&expected), "{got}");
    assert!(got.contains(";Subject=\"CN=device\""), "{got}");
    let got = lab.get(&start("nginx"), &own);
    let expected = "x-ssl-client-cert: -----BEGIN%20CERTIFICATE-----%0A";
    assert!(got.contains(expected), "{got}");
}

fn sha256(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    super::hex(digest.as_ref())
}
