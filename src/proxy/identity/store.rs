//! The store of client identities: `<confdir>/identities/<id>/` with `identity.pem`, which has a private key, and
//! `identity.json`.
//!
//! An identity appears completely or not at all: its folder is written under another name and renamed, and is on the
//! disk before [`IdentityStore::add`] returns.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::key::OwnKey;
use super::stored::{CertificateDetails, IdentityId, StoredIdentity};
use crate::error_text;
use crate::proxy::ca::{certificates, is_open, no_key, pem_of, private_directory, write_draft};
use crate::proxy::client_identity::ClientIdentity;
use crate::proxy::pem_file;

/// The client identities of a configuration folder.
#[derive(Clone, Debug)]
pub struct IdentityStore {
    folder: PathBuf,
}

/// The reason why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("{}: {}", path.display(), error_text::io(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Others may read private keys here.
    #[error("{}: others may read private keys here: chmod {mode} {}", path.display(), path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The mode that the file or folder should have.
        mode: &'static str,
    },
    /// A file does not have the expected content.
    #[error("{}: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The error, in words.
        why: String,
    },
    /// A stored identity cannot be used.
    #[error("{}: {why}: the identity is damaged; dmtap identity remove {id} removes it, and its device must enroll again", path.display())]
    Damaged {
        /// Its name.
        id: IdentityId,
        /// The file.
        path: PathBuf,
        /// The error, in words.
        why: String,
    },
    /// The store has as many identities as it accepts.
    #[error("the store holds {MOST_IDENTITIES} identities: remove some with dmtap identity remove")]
    Full,
    /// There is no identity with this name.
    #[error("there is no identity {0}: see dmtap identity list")]
    Unknown(String),
    /// There are several identities with this name.
    #[error("{0} identities begin with {1}: write more of it")]
    Several(usize, String),
}

impl StoreError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, source }
    }
}

impl IdentityStore {
    /// Returns the store of a configuration folder, which need not exist.
    pub fn of(confdir: &Path) -> Self {
        Self {
            folder: confdir.join("identities"),
        }
    }

    /// Returns all identities that can be used, sorted by name, and an error for each damaged one. It is an error if
    /// others may read one of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self) -> Result<(Vec<StoredIdentity>, Vec<StoreError>), StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            entries => entries.map_err(|error| StoreError::io(&self.folder, error))?,
        };
        closed(&self.folder, "700")?;
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::io(&self.folder, error))?;
            let name = entry.file_name();
            // A folder that was being written when the power failed has another name.
            ids.extend(name.to_str().and_then(|name| name.parse().ok()));
        }
        if ids.len() > MOST_IDENTITIES {
            return Err(StoreError::Full);
        }
        ids.sort();
        let (mut identities, mut damaged) = (Vec::new(), Vec::new());
        for id in &ids {
            match self.read(id) {
                Ok(identity) => identities.push(identity),
                Err(error @ StoreError::Damaged { .. }) => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok((identities, damaged))
    }

    /// Finds one identity by its name, or else by its thumbprint, its DeviceID or the beginning of its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, text: &str) -> Result<StoredIdentity, StoreError> {
        // A device chooses its DeviceID, which may be the name of another device's identity.
        if let Ok(id) = text.to_ascii_lowercase().parse()
            && self.has(&id)
        {
            return self.read(&id);
        }
        let begins = |id: &IdentityId| id.as_str().starts_with(&text.to_ascii_lowercase());
        let is_named = |identity: &StoredIdentity| {
            let thumbprints = [&identity.server_certificate, &identity.device_certificate];
            let mut names = thumbprints
                .map(|certificate| &certificate.thumbprint)
                .into_iter()
                .chain([&identity.device_id]);
            begins(&identity.id) || names.any(|name| name.eq_ignore_ascii_case(text))
        };
        let (identities, damaged) = self.list()?;
        let identities = identities.into_iter().filter(is_named).map(Ok);
        let is_meant = |it: &StoreError| matches!(it, StoreError::Damaged { id, .. } if begins(id));
        let damaged = damaged.into_iter().filter(is_meant).map(Err);
        let mut found: Vec<_> = identities.chain(damaged).collect();
        let count = found.len();
        match found.pop() {
            Some(only) if count == 1 && !text.is_empty() => only,
            None => Err(StoreError::Unknown(text.to_owned())),
            Some(_) => Err(StoreError::Several(count, text.to_owned())),
        }
    }

    /// Reads the facts about an identity.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn read(&self, id: &IdentityId) -> Result<StoredIdentity, StoreError> {
        let damaged = |path, why| StoreError::Damaged {
            id: id.clone(),
            path,
            why,
        };
        let folder = self.folder.join(id.as_str());
        // What the system refuses may be read later. A file that is missing or too long stays so.
        let is_lost = |path: &Path, source: &io::Error| match source.kind() {
            io::ErrorKind::NotFound => path != folder && folder.exists(),
            kind => kind == io::ErrorKind::Other,
        };
        self.facts(id).map_err(|error| match error {
            StoreError::Io { path, source } if is_lost(&path, &source) => {
                damaged(path, error_text::io(&source))
            }
            StoreError::Broken { path, why } => damaged(path, why),
            other => other,
        })
    }

    fn facts(&self, id: &IdentityId) -> Result<StoredIdentity, StoreError> {
        closed(&self.folder.join(id.as_str()), "700")?;
        // The key is loaded when it is used.
        is_pem(&self.pem(id)?).map_err(|why| StoreError::Broken {
            path: self.pem_file(id),
            why,
        })?;
        let path = self.folder.join(id.as_str()).join(JSON);
        let broken = |why: String| StoreError::Broken {
            path: path.clone(),
            why,
        };
        let text = pem_file::read(&path).map_err(|error| StoreError::io(&path, error))?;
        let read: StoredIdentity =
            serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        let device = read.device_certificate.octets().unwrap_or_default();
        match read.id == *id && IdentityId::of(&device) == *id {
            true => Ok(read),
            false => Err(broken("it is of another identity".into())),
        }
    }

    /// Returns the certificate, the chain and the private key of an identity in PEM.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pem(&self, id: &IdentityId) -> Result<Vec<u8>, StoreError> {
        let path = self.pem_file(id);
        closed(&path, "600")?;
        pem_file::read(&path).map_err(|error| StoreError::io(&path, error))
    }

    /// Loads the certificate and the key of an identity.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn load(&self, id: &IdentityId) -> Result<ClientIdentity, StoreError> {
        ClientIdentity::from_pem(&self.pem(id)?).map_err(|error| StoreError::Damaged {
            id: id.clone(),
            path: self.pem_file(id),
            why: error.to_string(),
        })
    }

    /// Whether the store has an identity.
    pub(super) fn has(&self, id: &IdentityId) -> bool {
        self.folder.join(id.as_str()).exists()
    }

    /// Adds an identity, or replaces it. The identity is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]. Nothing was added then.
    pub fn add(&self, identity: &StoredIdentity, pem: &str) -> Result<(), StoreError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::io(&path, error)
        };
        private_directory(&self.folder).map_err(io(&self.folder))?;
        let own = self.folder.join(identity.id.as_str());
        let entries = fs::read_dir(&self.folder).map_err(io(&self.folder))?;
        if entries.count() >= MOST_IDENTITIES && !own.exists() {
            return Err(StoreError::Full);
        }
        let draft = self
            .folder
            .join(format!(".{}.{}.new", identity.id, std::process::id()));
        let _ = fs::remove_dir_all(&draft);
        let old = self
            .folder
            .join(format!(".{}.{}.old", identity.id, std::process::id()));
        let written = self.write(&draft, identity, pem).and_then(|()| {
            if own.exists() {
                fs::rename(&own, &old)?;
            }
            fs::rename(&draft, &own)?;
            let _ = fs::remove_dir_all(&old);
            sync(&self.folder)
        });
        written.map_err(|error| {
            // An incomplete identity is useless, and a key must not stay where nobody looks for it.
            let _ = fs::remove_dir_all(&draft);
            StoreError::io(&own, error)
        })
    }

    fn write(&self, draft: &Path, identity: &StoredIdentity, pem: &str) -> io::Result<()> {
        private_directory(draft)?;
        write_draft(&draft.join(PEM), pem.as_bytes(), 0o600)?;
        let json = serde_json::to_string_pretty(identity)? + "\n";
        write_draft(&draft.join(JSON), json.as_bytes(), 0o600)?;
        sync(draft)
    }

    /// Replaces the hosts of an identity.
    ///
    /// # Errors
    /// [`StoreError`]. The hosts are unchanged then.
    pub(super) fn set_hosts(&self, id: &IdentityId, hosts: Vec<String>) -> Result<(), StoreError> {
        let identity = StoredIdentity {
            hosts,
            ..self.read(id)?
        };
        let folder = self.folder.join(id.as_str());
        let path = folder.join(JSON);
        let draft = folder.join(format!("{JSON}.{}", std::process::id()));
        let written = (|| {
            let _ = fs::remove_file(&draft);
            let json = serde_json::to_string_pretty(&identity)? + "\n";
            write_draft(&draft, json.as_bytes(), 0o600)?;
            fs::rename(&draft, &path)?;
            sync(&folder)
        })();
        written.map_err(|error: io::Error| StoreError::io(&path, error))
    }

    /// Removes the folders that an interrupted run left: a key must not stay where nobody looks for it. An identity
    /// that was being replaced is restored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn clear_unfinished(&self) -> Result<(), StoreError> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((id, process, what)) = name.to_str().and_then(unfinished) else {
                continue;
            };
            if process != std::process::id()
                && may_go_on(process, Path::new("/proc"), &entry.path())
            {
                continue;
            }
            let own = self.folder.join(id.as_str());
            let cleared = match what {
                "old" if !own.exists() => fs::rename(entry.path(), &own),
                _ => fs::remove_dir_all(entry.path()),
            };
            cleared.map_err(|error| StoreError::io(&entry.path(), error))?;
        }
        Ok(())
    }

    /// Removes an identity.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove(&self, id: &IdentityId) -> Result<(), StoreError> {
        let own = self.folder.join(id.as_str());
        let gone = self
            .folder
            .join(format!(".{id}.{}.gone", std::process::id()));
        // The rename removes it in one step: an incomplete identity would be an error at each start.
        let removed = fs::rename(&own, &gone).and_then(|()| fs::remove_dir_all(&gone));
        removed.map_err(|error| StoreError::io(&own, error))
    }

    /// Returns an identity as one text: a line of JSON, then its PEM. openssl and curl ignore the line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn export(&self, identity: &StoredIdentity) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_string(identity).map_err(io::Error::other);
        let json = json.map_err(|error| StoreError::io(&self.pem_file(&identity.id), error))?;
        let head = format!("{EXPORTED}{json}\n").into_bytes();
        Ok([head, self.pem(&identity.id)?].concat())
    }

    /// Adds an identity from the text that [`Self::export`] made.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if the text is not an identity. `path` is the file that it comes from.
    pub fn import(&self, text: &[u8], path: &Path) -> Result<StoredIdentity, StoreError> {
        let broken = |why: String| StoreError::Broken {
            path: path.to_owned(),
            why,
        };
        let text = std::str::from_utf8(text).map_err(|_| broken("it is not text".into()))?;
        let (head, pem) = text.split_once('\n').unwrap_or((text, ""));
        let json = head.strip_prefix(EXPORTED).ok_or_else(|| {
            broken(
                "it does not come from dmtap identity export; a certificate that no device enrolled through dmtap is \
                 given with --client-certs"
                    .into(),
            )
        })?;
        let identity: StoredIdentity =
            serde_json::from_str(json).map_err(|error| broken(error.to_string()))?;
        fits(&identity, pem.as_bytes()).map_err(broken)?;
        self.add(&identity, pem)?;
        Ok(identity)
    }

    fn pem_file(&self, id: &IdentityId) -> PathBuf {
        self.folder.join(id.as_str()).join(PEM)
    }
}

/// Whether another dmtap process may be writing a folder now. If the system does not list its processes, the age of the
/// folder decides: an identity is written quickly.
fn may_go_on(process: u32, processes: &Path, folder: &Path) -> bool {
    if processes.is_dir() {
        return processes.join(process.to_string()).exists();
    }
    let modified = fs::metadata(folder).and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_none_or(|age| age < WRITE_TIMEOUT)
}

/// Returns the identity, the process and the kind of an unfinished folder: `.ID.PROCESS.new`, `old` or `gone`.
fn unfinished(name: &str) -> Option<(IdentityId, u32, &str)> {
    let mut parts = name.strip_prefix('.')?.split('.');
    let (id, process, what) = (parts.next()?, parts.next()?, parts.next()?);
    let is_known = ["new", "old", "gone"].contains(&what) && parts.next().is_none();
    is_known.then(|| Some((id.parse().ok()?, process.parse().ok()?, what)))?
}

/// Returns a certificate, its chain and its key in PEM, in this order, for the store.
pub fn identity_pem(chain: &[&[u8]], key: &OwnKey) -> String {
    let certificates = chain.iter().map(|der| pem_of(der));
    certificates.collect::<String>() + &key.pem()
}

/// Checks that PEM has a certificate and a key.
fn is_pem(pem: &[u8]) -> Result<(), String> {
    match certificates(pem)?.is_empty() {
        true => Err("there is no certificate in it".into()),
        false => PrivateKeyDer::from_pem_slice(pem)
            .map(drop)
            .map_err(|error| no_key(&error)),
    }
}

/// Checks that facts and PEM belong together.
fn fits(identity: &StoredIdentity, pem: &[u8]) -> Result<(), String> {
    let device = identity.device_certificate.octets().unwrap_or_default();
    if IdentityId::of(&device) != identity.id || CertificateDetails::of(&device).is_none() {
        return Err("its first line is of another identity".into());
    }
    let chain: Vec<CertificateDer<'_>> = certificates(pem)?;
    let server = identity.server_certificate.octets().unwrap_or_default();
    if chain.first().is_none_or(|first| **first != *server) {
        return Err("its first certificate is not that of its first line".into());
    }
    // This compares the key with the certificate, too.
    ClientIdentity::from_pem(pem).map_err(|error| error.to_string())?;
    Ok(())
}

/// Checks that nobody else may read a file or folder.
fn closed(path: &Path, mode: &'static str) -> Result<(), StoreError> {
    match is_open(path).map_err(|error| StoreError::io(path, error))? {
        true => Err(StoreError::Open {
            path: path.to_owned(),
            mode,
        }),
        false => Ok(()),
    }
}

/// Syncs the names in a folder to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Writes a new file that nobody else may read. The file must not exist.
///
/// # Errors
/// The errors of the system.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write_draft(path, content, 0o600)
}

/// The most identities in one store.
pub const MOST_IDENTITIES: usize = 10_000;
/// The longest time for writing an identity.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const PEM: &str = "identity.pem";
const JSON: &str = "identity.json";
/// The text in front of the JSON of an exported identity.
const EXPORTED: &str = "dmtap-identity: ";

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_another_process_writes_stays_and_what_is_left_behind_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let draft = folder.path().join("draft");
        fs::create_dir(&draft).expect("a draft");
        let none = folder.path().join("proc");
        // The system does not list processes: a new folder stays.
        assert!(may_go_on(7, &none, &draft));
        let old = SystemTime::now() - 2 * WRITE_TIMEOUT;
        let opened = File::open(&draft).expect("the draft");
        opened.set_modified(old).expect("an older draft");
        assert!(!may_go_on(7, &none, &draft));
        // The system lists processes.
        fs::create_dir_all(none.join("7")).expect("a process");
        assert!(may_go_on(7, &none, &draft));
        assert!(!may_go_on(8, &none, &draft));
    }
}
