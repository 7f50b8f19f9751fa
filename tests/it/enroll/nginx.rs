//! A simulated device enrolls through nginx, which has two of the server's names and a redirect, and stays on dmtap.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::interop::free_port;
use crate::support::peers::{dmtap, have};
use crate::support::running::{Running, listening, start};

const NAMES: [&str; 3] = ["enterpriseenrollment", "mdm", "dm"];

#[test]
fn a_device_that_enrolls_at_nginx_stays_on_dmtap() {
    if !have("nginx") {
        return;
    }
    for version in ["1.1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (port, conf) = (free_port(), at("conf"));
        let number = port.to_string();
        let server = ["server", "--enroll", "-p", &number, "--confdir", &conf];
        let server = start(&server, Path::new(&at("server.log")));
        let nginx = nginx(folder.path(), port);

        // Sessions go to the server itself, since there TLS asks for the device's certificate.
        let addresses = ["127.0.0.2", "127.0.0.2", "127.0.0.1"];
        let mode = format!("reverse:https://{}.dmtap.test:{port}", NAMES[0]);
        let resolve = NAMES.iter().zip(addresses);
        let resolve = resolve.map(|(name, to)| format!("--resolve={name}.dmtap.test:{port}:{to}"));
        let resolve: Vec<String> = resolve.collect();
        let (trusted, record) = (at("trusted.pem"), at("r.jsonl"));
        let ca = at("conf/dmtap-ca-cert.pem");
        let both = fs::read_to_string(at("nginx.pem")).unwrap() + &fs::read_to_string(&ca).unwrap();
        fs::write(&trusted, both).unwrap();
        let mut proxy = vec![
            "proxy",
            "-q",
            "-p",
            "0",
            "--swap-client-identity",
            "-w",
            &record,
        ];
        proxy.extend(["--mode", &mode, "--server-ca", &trusted, "--confdir", &conf]);
        proxy.extend(["--upstream-http", version]);
        proxy.extend(resolve.iter().map(String::as_str));
        let proxy = start(&proxy, Path::new(&at("proxy.log")));

        let here = format!("localhost:{}", proxy.address.rsplit(':').next().unwrap());
        let url = format!("https://{here}/EnrollmentServer/Discovery.svc");
        let mut device = dmtap();
        device.args([
            "device",
            "enroll",
            &url,
            "--root-ca",
            &ca,
            "--allow-redirect",
        ]);
        device.args(["--user", "user@dmtap.test", "--password", "password"]);
        let output = device.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{version}: {shown}{why}");
        assert_eq!(shown.matches("\nsession in ").count(), 2, "{shown}");
        let stays = format!("the device connected to {here}\n");
        assert!(shown.ends_with(&stays), "{shown}");

        assert_eq!(proxy.terminate(), Some(0));
        let record = fs::read_to_string(record).unwrap();
        let lines = |text: &str| record.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines(r#""status":302"#), 1, "nginx redirects discovery");
        assert!(lines("\"server\",\"nginx") >= 4, "nginx answers enrollment");
        drop((nginx, server));
    }
}

/// nginx in front of the server, at the same port of another address: the server checks the port in `Host`.
fn nginx(folder: &Path, port: u16) -> Running {
    let names = NAMES.map(|name| format!("{name}.dmtap.test"));
    let certificate = rcgen::generate_simple_self_signed(names[..2].to_vec()).unwrap();
    fs::write(folder.join("nginx.pem"), certificate.cert.pem()).unwrap();
    let key = certificate.signing_key.serialize_pem();
    fs::write(folder.join("nginx.key"), key).unwrap();
    let [discovery, management, _] = names;
    let path = folder.display();
    let site = |name: &str, location: &str| {
        format!(
            "server {{ listen 127.0.0.2:{port} ssl http2; server_name {name};
  ssl_certificate {path}/nginx.pem; ssl_certificate_key {path}/nginx.key; {location} }}\n"
        )
    };
    let moved = format!("location / {{ return 302 https://{management}:{port}$request_uri; }}");
    let passed = format!(
        "location / {{ proxy_pass https://127.0.0.1:{port}; proxy_set_header Host $http_host;
  proxy_ssl_server_name on; proxy_ssl_name {management}; proxy_http_version 1.1; }}"
    );
    let config = format!(
        "daemon off; master_process off; pid {path}/nginx.pid; events {{}}
http {{ access_log off; client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f;
uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;
{}{}}}",
        site(&discovery, &moved),
        site(&management, &passed)
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let child = Command::new("nginx")
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&file)
        .args(["-e", "stderr"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    listening(child, ("127.0.0.2", port))
}
