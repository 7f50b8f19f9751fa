//! The client certificates that dmtap presents to servers: those of `--client-certs`, and those of devices.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;

use super::ca::warn_if_readable;
use super::client_identity::{ClientIdentity, FindIdentity, IdentityError};
use super::device_certificate::RequestClientCert;
use super::forward_client_cert::ForwardClientCert;
use super::pem_file;
use super::tls::covers;
use crate::error_text;
use crate::flow::Connection;

/// Which client certificates there are, and how devices are asked for theirs.
#[derive(Clone, Debug, Default)]
pub struct ClientCertSettings {
    /// A PEM file for all servers, or a folder with a file `<host>.pem` for each (`--client-certs`).
    pub files: Option<PathBuf>,
    /// Whether devices are asked for one; `None`: as soon as there is a client certificate for a server, or it is to be
    /// forwarded.
    pub request: Option<RequestClientCert>,
    /// The same for connections to single names; `*.` in front is for one level below.
    pub request_for: Vec<(String, RequestClientCert)>,
    /// The CAs that vouch for certificates of devices, next to dmtap's own (`--client-ca`).
    pub client_ca: Option<PathBuf>,
    /// How the certificate of a device is forwarded to servers.
    pub forward: Option<ForwardClientCert>,
}

/// All client certificates, loaded.
#[derive(Debug)]
pub(super) struct ClientCerts {
    for_all: Option<ClientIdentity>,
    by_host: HashMap<String, ClientIdentity>,
    of_devices: Arc<dyn FindIdentity>,
    request: Option<RequestClientCert>,
    request_for: Vec<(String, RequestClientCert)>,
    is_forwarded: bool,
}

impl ClientCerts {
    /// Loads the files.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub(super) fn load(
        settings: &ClientCertSettings,
        of_devices: Arc<dyn FindIdentity>,
    ) -> io::Result<Self> {
        let mut loaded = Self {
            for_all: None,
            by_host: HashMap::new(),
            of_devices,
            request: settings.request,
            request_for: settings.request_for.clone(),
            is_forwarded: settings.forward.is_some(),
        };
        match &settings.files {
            Some(folder) if folder.is_dir() => loaded.by_host = folder_of_hosts(folder)?,
            Some(file) => loaded.for_all = Some(read(file)?),
            None => {}
        }
        Ok(loaded)
    }

    /// Whether a device that connects to one of these names is asked for its certificate. The first name counts.
    pub(super) fn request(&self, names: &[&str]) -> RequestClientCert {
        let name = names.first().copied().unwrap_or_default();
        let named = self.request_for.iter();
        let mut named = named.filter(|(domain, _)| covers(domain, name));
        if let Some((_, request)) = named.next_back() {
            return *request;
        }
        let has_any = || {
            let has_files = self.for_all.is_some() || !self.by_host.is_empty();
            has_files || self.is_forwarded || self.of_devices.has_any()
        };
        match self.request {
            Some(request) => request,
            None if has_any() => RequestClientCert::Ask,
            None => RequestClientCert::None,
        }
    }

    /// The identity for a request of a device to a host: the one that goes with the certificate which the device
    /// presents, else that of the host. What a message says about its sender does not count: anybody can write it.
    pub(super) fn of(&self, device: &Connection, host: &str) -> Option<ClientIdentity> {
        let presented = device.tls.as_ref().and_then(|tls| tls.client.as_ref());
        if let Some(der) = presented.and_then(|presented| presented.chain.first()) {
            let sha256 = digest::digest(&digest::SHA256, der);
            let sha256: Option<[u8; 32]> = sha256.as_ref().try_into().ok();
            let own = sha256.and_then(|sha256| self.of_devices.of_certificate(&sha256));
            if own.is_some() {
                return own;
            }
        }
        if self.by_host.is_empty() {
            return self.for_all.clone();
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host);
        self.by_host.get(&host.to_ascii_lowercase()).cloned()
    }
}

/// The identities of a folder, by host.
fn folder_of_hosts(folder: &Path) -> io::Result<HashMap<String, ClientIdentity>> {
    let unread = |error: io::Error| named(folder, &error_text::io(&error));
    let mut found = HashMap::new();
    let mut pfx = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let (Some(host), Some(kind)) = (path.file_stem(), path.extension()) else {
            continue;
        };
        let host = host.to_string_lossy().to_ascii_lowercase();
        match &*kind.to_string_lossy().to_ascii_lowercase() {
            "pem" if found.len() == MOST_FILES => {
                let why = format!("it holds more than {MOST_FILES} PEM files");
                return Err(named(folder, &why));
            }
            "pem" => drop(found.insert(host, read(&path)?)),
            "pfx" | "p12" => pfx.push((host, path)),
            _ => {}
        }
    }
    match pfx.iter().find(|(host, _)| !found.contains_key(host)) {
        Some((_, path)) => Err(refused(path, &IdentityError::Pfx)),
        None if found.is_empty() => Err(named(folder, "it holds no file <host>.pem")),
        None => Ok(found),
    }
}

fn read(path: &Path) -> io::Result<ClientIdentity> {
    let pem = pem_file::read(path).map_err(|error| named(path, &error_text::io(&error)))?;
    let identity = ClientIdentity::from_pem(&pem).map_err(|error| refused(path, &error))?;
    warn_if_readable(path);
    Ok(identity)
}

fn refused(path: &Path, error: &IdentityError) -> io::Error {
    if *error != IdentityError::Pfx {
        return named(path, &error.to_string());
    }
    let (pfx, pem) = (path.display(), path.with_extension("pem"));
    let pem = pem.display();
    named(
        path,
        &format!(
            "it is a PFX (PKCS#12), and dmtap reads PEM; convert it: openssl pkcs12 -in {pfx} -out {pem} -nodes \
             (add -legacy where openssl 3 refuses it), then chmod 600 {pem}"
        ),
    )
}

fn named(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

/// PEM files of a folder.
const MOST_FILES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::client_identity::tests::pem;

    fn load(files: &Path) -> io::Result<ClientCerts> {
        let settings = ClientCertSettings {
            files: Some(files.to_owned()),
            ..ClientCertSettings::default()
        };
        ClientCerts::load(&settings, Arc::new(Nobody))
    }

    #[derive(Debug)]
    struct Nobody;

    impl FindIdentity for Nobody {
        fn of_certificate(&self, _: &[u8; 32]) -> Option<ClientIdentity> {
            None
        }

        fn has_any(&self) -> bool {
            false
        }
    }

    #[test]
    fn devices_are_asked_by_name_and_otherwise_once_there_is_an_identity() {
        use RequestClientCert::{Ask, None, Require};
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.pem");
        fs::write(&file, pem().0).expect("a file");
        let check = |change: &dyn Fn(&mut ClientCertSettings), name: &str, expected| {
            let mut settings = ClientCertSettings::default();
            change(&mut settings);
            let certs = ClientCerts::load(&settings, Arc::new(Nobody)).expect("settings");
            assert_eq!(
                certs.request(&[name, "127.0.0.1"]),
                expected,
                "{settings:?}"
            );
        };
        check(&|_| {}, "a.example", None);
        check(&|s| s.files = Some(file.clone()), "a.example", Ask);
        check(&|s| s.forward = "der".parse().ok(), "a.example", Ask);
        check(&|s| s.request = Some(Require), "a.example", Require);
        let named = |s: &mut ClientCertSettings| {
            s.request = Some(Require);
            s.request_for = vec![("*.example".into(), Ask), ("Sign-in.example".into(), None)];
        };
        check(&named, "sign-in.example", None);
        check(&named, "mdm.example", Ask);
        check(&named, "mdm.test", Require);
    }

    fn device() -> Connection {
        Connection {
            id: crate::flow::ConnectionId(1),
            opened: crate::flow::Timestamp(0),
            device: ([127, 0, 0, 1], 1).into(),
            listener: ([127, 0, 0, 1], 2).into(),
            server: String::new(),
            tls: None,
        }
    }

    #[test]
    fn a_file_is_for_all_hosts_and_a_folder_for_those_it_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("mdm.example.com.pem"), pem().0).expect("a file");
        fs::write(path("OTHER.example.com.pem"), pem().0).expect("a file");
        fs::write(path("::1.pem"), pem().0).expect("a file");
        fs::write(path("mdm.example.com.pfx"), "converted").expect("a file");
        fs::write(path("README"), "text").expect("a file");
        let certs = load(folder.path()).expect("a folder of identities");
        let id = |host: &str| {
            certs
                .of(&device(), host)
                .map(|identity| identity.id().to_owned())
        };
        assert!(id("MDM.example.com").is_some());
        assert_eq!(id("mdm.example.com."), id("mdm.example.com"));
        assert!(id("[::1]").is_some());
        assert!(id("other.example.com").is_some() && id("other.example.com") != id("[::1]"));
        assert_eq!(id("example.com"), None);
        let certs = load(&path("mdm.example.com.pem")).expect("one identity");
        let of = |host| {
            certs
                .of(&device(), host)
                .map(|identity| identity.id().to_owned())
        };
        assert_eq!(of("any.example.com"), id("mdm.example.com"));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_helps() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |files: &Path, expected: &[&str]| {
            let error = load(files).expect_err("not usable").to_string();
            for part in expected {
                assert!(error.contains(part), "{part}: {error}");
            }
        };
        check(folder.path(), &["no file <host>.pem"]);
        check(&folder.path().join("none.pem"), &["none.pem: "]);
        let pfx = folder.path().join("mdm.example.com.pfx");
        fs::write(&pfx, [0x30, 0x82, 9, 9, 2, 1, 3, 0x30]).expect("a file");
        let line = [
            "mdm.example.com.pfx: it is a PFX",
            "openssl pkcs12 -in",
            "-nodes",
            "-legacy",
            "mdm.example.com.pem",
        ];
        check(&pfx, &line);
        check(folder.path(), &line);
        fs::write(folder.path().join("a.pem"), "text").expect("a file");
        check(folder.path(), &["a.pem: it holds no certificate"]);
    }
}
