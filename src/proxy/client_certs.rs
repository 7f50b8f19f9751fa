//! The client certificates that dmtap presents to servers: those of `--client-certs`, and the client identities of
//! devices.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ca::{file_error, warn_if_readable};
use super::client_identity::{ClientIdentity, IdentityError};
use super::device_certificate::RequestClientCert;
use super::forward_client_cert::ForwardClientCert;
use super::identity::{Identities, sha256};
use super::pem_file;
use super::settings::{Mode, Settings};
use super::tls::covers;
use crate::error_text;
use crate::flow::Connection;
use crate::flow::origin::{OriginPair, plain_host};

/// The settings for client certificates, and for asking devices for theirs.
#[derive(Clone, Debug, Default)]
pub struct ClientCertSettings {
    /// A PEM file for all servers, or a folder with a file `<host>.pem` for each server (`--client-certs`).
    pub files: Option<PathBuf>,
    /// Whether devices are asked for a certificate. `None`: they are asked as soon as dmtap has a client certificate
    /// for a server, or forwards device certificates.
    pub request: Option<RequestClientCert>,
    /// Whether devices are asked for a certificate, for single names; `*.` in front stands for one level below.
    pub request_for: Vec<(String, RequestClientCert)>,
    /// The CAs that vouch for device certificates, in addition to dmtap's own (`--client-ca`).
    pub client_ca: Option<PathBuf>,
    /// How device certificates are forwarded to servers.
    pub forward: Option<ForwardClientCert>,
}

/// The loaded client certificates.
#[derive(Debug)]
pub(super) struct ClientCerts {
    for_all: Option<ClientIdentity>,
    by_host: HashMap<String, ClientIdentity>,
    of_devices: Arc<Identities>,
    /// The public names of reverse mode, with the servers that they stand for; `None` if devices name the servers.
    public: Option<HashMap<String, String>>,
    /// The server of reverse mode.
    server: Option<String>,
    request: Option<RequestClientCert>,
    request_for: Vec<(String, RequestClientCert)>,
    is_forwarded: bool,
}

impl ClientCerts {
    /// Loads the files.
    ///
    /// # Errors
    /// An error that names the file that cannot be used, and the reason.
    pub(super) fn load(all: &Settings, of_devices: Arc<Identities>) -> io::Result<Self> {
        let settings = &all.client_certs;
        let public = match all.mode {
            Mode::Regular => None,
            Mode::Reverse { .. } => {
                let pairs = all.stay.maps.iter();
                let hosts =
                    |pair: &OriginPair| (pair.public.host.clone(), pair.server.host.clone());
                Some(pairs.map(hosts).collect())
            }
        };
        let server = match &all.mode {
            Mode::Regular => None,
            Mode::Reverse { server } => Some(server.host.clone()),
        };
        let mut loaded = Self {
            public,
            server,
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

    /// Returns whether a device that connects to these names is asked for its certificate. Only the first name counts.
    pub(super) fn request(&self, names: &[&str]) -> RequestClientCert {
        let name = names.first().copied().unwrap_or_default();
        let named = self.request_for.iter();
        let mut named = named.filter(|(domain, _)| covers(domain, name));
        if let Some((_, request)) = named.next_back() {
            return *request;
        }
        match self.request {
            Some(request) => request,
            None if self.matters(name) => RequestClientCert::Ask,
            None => RequestClientCert::None,
        }
    }

    /// Whether the certificate of a device that connects to this name can be of use.
    fn matters(&self, name: &str) -> bool {
        if self.for_all.is_some() || self.is_forwarded {
            return true;
        }
        let name = plain_host(name);
        let goes_to = |host: &str| self.by_host.contains_key(host) || self.of_devices.go_to(host);
        match &self.public {
            None => goes_to(&name),
            // A name in no pair stands for the server of --mode, and for every host that has a path. A host without a
            // name of its own has its path under each name that devices use.
            Some(public) => match public.get(&name) {
                Some(host) => goes_to(host) || self.goes_beyond(public),
                None => !self.by_host.is_empty() || self.of_devices.has_any(),
            },
        }
    }

    /// Whether an identity goes to a host that is neither in a pair nor the server of `--mode`.
    fn goes_beyond(&self, public: &HashMap<String, String>) -> bool {
        let has_name = |host: &String| {
            self.server.as_ref() == Some(host) || public.values().any(|server| server == host)
        };
        self.by_host.keys().any(|host| !has_name(host)) || self.of_devices.go_beyond(&has_name)
    }

    /// Returns the identity for a device's request to a host: the one that belongs to the certificate which the device
    /// presents, else the one of the host. The sender that a message names does not count, because anybody can write
    /// it.
    pub(super) async fn of(&self, device: &Connection, host: &str) -> Option<ClientIdentity> {
        if let Some(hash) = sha256_of(device) {
            let (identities, host) = (self.of_devices.clone(), host.to_owned());
            let found = move || identities.of_certificate(&hash, &host);
            let own = tokio::task::spawn_blocking(found).await;
            if let Ok(Some(own)) = own {
                return Some(own);
            }
        }
        self.of_file(host)
    }

    /// Returns the identity of `--client-certs` for a host.
    fn of_file(&self, host: &str) -> Option<ClientIdentity> {
        if self.by_host.is_empty() {
            return self.for_all.clone();
        }
        self.by_host.get(&plain_host(host)).cloned()
    }
}

/// Returns the SHA-256 of the certificate that a device presents, if any.
pub(super) fn sha256_of(device: &Connection) -> Option<[u8; 32]> {
    let presented = device.tls.as_ref()?.client.as_ref()?;
    Some(sha256(presented.chain.first()?))
}

/// Returns the identities of a folder, by host.
fn folder_of_hosts(folder: &Path) -> io::Result<HashMap<String, ClientIdentity>> {
    let unread = |error: io::Error| file_error(folder, error_text::io(&error));
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
                return Err(file_error(folder, why));
            }
            "pem" => drop(found.insert(host, read(&path)?)),
            "pfx" | "p12" => pfx.push((host, path)),
            _ => {}
        }
    }
    match pfx.iter().find(|(host, _)| !found.contains_key(host)) {
        Some((_, path)) => Err(refused(path, &IdentityError::Pfx)),
        None if found.is_empty() => Err(file_error(folder, "it holds no file <host>.pem")),
        None => Ok(found),
    }
}

fn read(path: &Path) -> io::Result<ClientIdentity> {
    let pem = pem_file::read(path).map_err(|error| file_error(path, error_text::io(&error)))?;
    let identity = ClientIdentity::from_pem(&pem).map_err(|error| refused(path, &error))?;
    warn_if_readable(path, "private key");
    Ok(identity)
}

fn refused(path: &Path, error: &IdentityError) -> io::Error {
    if *error != IdentityError::Pfx {
        return file_error(path, error);
    }
    let (pfx, pem) = (path.display(), path.with_extension("pem"));
    let pem = pem.display();
    file_error(
        path,
        format!(
            "it is a PFX (PKCS#12), and dmtap reads PEM; convert it: openssl pkcs12 -in {pfx} -out {pem} -nodes \
             (add -legacy where openssl 3 refuses it), then chmod 600 {pem}"
        ),
    )
}

/// The most PEM files of a folder.
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
        load_all(&all(settings))
    }

    fn all(client_certs: ClientCertSettings) -> Settings {
        Settings {
            client_certs,
            ..Settings::reverse("https://a.example".parse().expect("a server"))
        }
    }

    fn load_all(settings: &Settings) -> io::Result<ClientCerts> {
        let none = Identities::new(settings).expect("no store");
        ClientCerts::load(settings, Arc::new(none))
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
            let settings = all(settings);
            let certs = load_all(&settings).expect("settings");
            assert_eq!(
                certs.request(&[name, "127.0.0.1"]),
                expected,
                "{:?}",
                settings.client_certs
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

    #[test]
    fn a_mapped_name_is_asked_for_its_server_and_for_hosts_that_have_their_path_under_every_name() {
        use RequestClientCert::{Ask, None};
        let check = |identity_of: &str, [of_mapped, of_other]: [RequestClientCert; 2]| {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join(format!("{identity_of}.pem"));
            fs::write(&file, pem().0).expect("a file");
            let mut settings = all(ClientCertSettings {
                files: Some(folder.path().to_owned()),
                ..ClientCertSettings::default()
            });
            settings.stay.maps = vec![OriginPair {
                public: "https://sign-in.lab".parse().expect("an origin"),
                server: "https://sign-in.example".parse().expect("an origin"),
            }];
            let certs = load_all(&settings).expect("settings");
            let asked = ["sign-in.lab", "mdm.lab"].map(|name| certs.request(&[name]));
            assert_eq!(asked, [of_mapped, of_other], "{identity_of}");
        };
        check("sign-in.example", [Ask, Ask]);
        // The server of --mode.
        check("a.example", [None, Ask]);
        check("dm.example", [Ask, Ask]);
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
            let found = certs.of_file(host);
            found.map(|identity| identity.id().to_owned())
        };
        assert!(id("MDM.example.com").is_some());
        assert_eq!(id("mdm.example.com."), id("mdm.example.com"));
        assert!(id("[::1]").is_some());
        assert!(id("other.example.com").is_some() && id("other.example.com") != id("[::1]"));
        assert_eq!(id("example.com"), None);
        let certs = load(&path("mdm.example.com.pem")).expect("one identity");
        let of = |host| certs.of_file(host).map(|identity| identity.id().to_owned());
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
