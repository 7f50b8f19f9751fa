//! The user's own certificates, and the file of TLS keys for other tools.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dmtap::proxy::{OwnCertificate, Settings};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;

use super::device::{Device, tls};
use super::rig::{Rig, in_front_of};
use super::server::Server;

/// A certificate that signs itself, with its key in front: gives its file and the file to trust.
fn own(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (both, certificate) = (directory.join("own.pem"), directory.join("own-cert.pem"));
    let pem = made.cert.pem();
    std::fs::write(&both, made.signing_key.serialize_pem() + &pem).unwrap();
    std::fs::write(&certificate, pem).unwrap();
    (both, certificate)
}

#[tokio::test]
async fn a_certificate_of_the_users_own_is_shown_for_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let (path, certificate) = own(directory.path(), "mdm.example.com");
    for domain in [Some("mdm.example.com"), Some("*.example.com"), None] {
        let settings = Settings {
            certificates: vec![OwnCertificate {
                domain: domain.map(str::to_owned),
                path: path.clone(),
            }],
            ..in_front_of(server.address, &server.ca)
        };
        let rig = Rig::start(settings).await;
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let stream = tls(tcp, &certificate, "http/1.1", "mdm.example.com")
            .await
            .unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, CertificateDer::from_pem_file(&certificate).unwrap());
        let mut device = Device::over(stream, "http/1.1").await;
        assert_eq!(device.post("/", "hi").await.body(), "hi");
        // Other names are for dmtap's own CA, unless the certificate is for any name.
        let tcp = TcpStream::connect(rig.address).await.unwrap();
        let other = tls(tcp, &rig.ca(), "http/1.1", "localhost").await;
        assert_eq!(other.is_ok(), domain.is_some());
        rig.stop().await;
    }
}

/// A program until the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_secrets_of_both_connections_go_where_sslkeylogfile_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let log = directory.path().join("keys");
    // The variable is read at the start: a program of its own has it to itself.
    let mut dmtap = Command::new(env!("CARGO_BIN_EXE_dmtap"))
        .args(["proxy", "-q", "-p", "0", "--mode"])
        .arg(format!(
            "reverse:https://localhost:{}",
            server.address.port()
        ))
        .arg("--server-ca")
        .arg(&server.ca)
        .arg("--confdir")
        .arg(directory.path())
        .env("SSLKEYLOGFILE", &log)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = dmtap.stderr.take().unwrap();
    let _running = Running(dmtap);
    let mut first = String::new();
    BufReader::new(said).read_line(&mut first).unwrap();
    let (_, address) = first.split_once("https://").unwrap();
    let address = address.split(' ').next().unwrap().parse().unwrap();
    let ca = directory.path().join("dmtap-ca-cert.pem");
    let mut device = Device::connect(address, &ca, "http/1.1").await;
    assert_eq!(device.post("/", "hi").await.body(), "hi");
    let keys = std::fs::read_to_string(&log).unwrap();
    let secrets = keys
        .lines()
        .filter(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 "));
    assert_eq!(secrets.count(), 2, "{keys}");
}
