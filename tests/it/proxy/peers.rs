//! Real peers, if the machine has them.

use std::process::{Command, Output};

use super::rig::{Rig, in_front_of};
use super::server::Server;

/// Runs a program, or says that it is not there.
async fn run(program: &'static str, arguments: Vec<String>) -> Option<Output> {
    let running = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
    });
    match running.await.unwrap() {
        Ok(output) => Some(output),
        Err(_) => {
            eprintln!("skipped: {program} not found");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_talks_through_the_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    let body: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let file = rig.directory.path().join("body");
    std::fs::write(&file, &body).unwrap();
    for version in ["--http1.1", "--http2"] {
        let arguments = format!(
            "-sS {version} --cacert {} --data-binary @{} https://localhost:{}/curl",
            rig.ca().display(),
            file.display(),
            rig.address.port()
        );
        let arguments = arguments.split(' ').map(str::to_owned).collect();
        let Some(output) = run("curl", arguments).await else {
            return;
        };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.stdout == body, "{version}: {error}");
        assert!(server.last().body == body);
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_accepts_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = format!(
            "s_client {version} -connect {} -servername mdm.example.com -verify_hostname mdm.example.com \
             -verify_return_error -x509_strict -CAfile {}",
            rig.address,
            rig.ca().display()
        );
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let Some(output) = run("openssl", arguments).await else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}{error}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_made_with_openssl_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    // The commands of certs/README.md.
    let commands = [
        format!(
            "ecparam -name prime256v1 -genkey -noout -out {}",
            path("key")
        ),
        format!(
            "req -x509 -new -key {} -sha256 -days 3650 -subj /O=Example/CN=Lab -out {} \
             -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign",
            path("key"),
            path("crt")
        ),
        format!(
            "pkcs8 -topk8 -nocrypt -in {} -out {}",
            path("key"),
            path("pk8")
        ),
    ];
    for command in commands {
        let arguments = command.split_whitespace().map(str::to_owned).collect();
        let Some(output) = run("openssl", arguments).await else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
    }
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let both = format!("{}{}", read("pk8"), read("crt"));
    std::fs::write(path("dmtap-ca.pem"), both).unwrap();
    let authority = dmtap::proxy::Authority::load_or_create(directory.path()).unwrap();
    let leaf = authority.leaf(&["localhost"]).unwrap();
    assert_eq!(leaf.cert.len(), 1);
    assert!(authority.certificate_file().exists());
}
