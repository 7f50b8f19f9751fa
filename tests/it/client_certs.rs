//! Client certificates on both legs, with real peers: nginx and openssl as servers, curl and openssl as devices.

mod forward;
mod from_device;
mod to_server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::interop::free_port;
use crate::support::running::{Running, listening, start};

/// A folder with a CA for clients, a server's certificate, and dmtap's own CA.
struct Lab {
    folder: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Lab {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = issuer("CA of the clients");
        fs::write(folder.path().join("clients-ca.pem"), ca.pem()).unwrap();
        let names = ["localhost", "*.example.com"].map(str::to_owned).to_vec();
        let server = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(folder.path().join("server.pem"), server.cert.pem()).unwrap();
        let key = server.signing_key.serialize_pem();
        fs::write(folder.path().join("server.key"), key).unwrap();
        Self { folder, ca }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a client certificate of the CA with its key to `<name>.pem`; gives its SHA-1 as nginx writes it.
    fn client(&self, name: &str) -> String {
        self.client_by(&self.ca, name)
    }

    fn client_by(&self, ca: &CertifiedIssuer<'static, KeyPair>, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, ca).unwrap();
        let file = self.path(&format!("{name}.pem"));
        let pem = certificate.pem() + &ca.pem() + &key.serialize_pem();
        fs::write(&file, pem).unwrap();
        private(&file);
        let digest = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
        hex(aws_lc_rs::digest::digest(digest, certificate.der()).as_ref())
    }

    /// nginx that demands a client certificate, and answers with the SHA-1 of what it got. The port is in the address.
    fn nginx(&self, protocol: &str) -> Running {
        let (folder, port) = (self.folder.path().display(), free_port());
        let config = self.path(&format!("nginx-{port}.conf"));
        let text = format!(
            "daemon off; master_process off; pid {folder}/nginx-{port}.pid; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_session_cache shared:s:1m; ssl_session_tickets on;
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name _;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_protocols {protocol};
    ssl_client_certificate {folder}/clients-ca.pem; ssl_verify_client on; ssl_verify_depth 2;
    location / {{ return 200 \"$ssl_client_fingerprint $ssl_protocol $server_protocol $ssl_session_reused\\n\"; }}
  }}
}}"
        );
        fs::write(&config, text).unwrap();
        let child = Command::new("nginx")
            .args(["-p", text_of(self.folder.path()), "-e", "stderr"])
            .args(["-c", text_of(&config)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        listening(child, ("127.0.0.1", port))
    }

    /// openssl as a server that ends connections without a client certificate that it trusts.
    fn openssl_server(&self, arguments: &[&str]) -> Running {
        let port = free_port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-www", "-verify_return_error"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .args(["-cert", text_of(&self.path("server.pem"))])
            .args(["-key", text_of(&self.path("server.key"))])
            .args(["-CAfile", text_of(&self.path("clients-ca.pem"))])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        listening(child, ("127.0.0.1", port))
    }

    fn dmtap(&self, arguments: &[&str]) -> Running {
        let confdir = self.path("conf");
        let mut all = vec!["proxy", "-q", "-p", "0", "--confdir", text_of(&confdir)];
        all.extend(["-k"]);
        all.extend(arguments);
        start(&all, &self.path("dmtap.log"))
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        Command::new("curl")
            .args(["-sS", "--noproxy", "", "--max-time", "60", "--cacert"])
            .arg(self.path("conf/dmtap-ca-cert.pem"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What curl gets from `https://localhost` at dmtap.
    fn get(&self, dmtap: &Running, arguments: &[&str]) -> String {
        let url = format!("https://localhost:{}/", port(dmtap));
        let output = self.curl(&[arguments, &[&url]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn port(running: &Running) -> &str {
    running.address.rsplit(':').next().unwrap()
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The certificates of a PEM text, in DER.
fn certificates(pem: &str) -> Vec<Vec<u8>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    found.map(|der| der.unwrap().to_vec()).collect()
}
