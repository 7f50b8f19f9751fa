//! `dmtap identity`: the client identities that dmtap got in place of devices.

use std::path::{Path, PathBuf};

use super::{Failure, Outcome, Output, read_input, write_text};
use crate::app::print;
use crate::printable;
use crate::proxy::{CertificateDetails, IdentityStore, StoreError, StoredIdentity, write_private};

/// Work with the client identities that dmtap enrolled in place of devices (--swap-client-identity).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap identity list
  dmtap identity show 3f5a                    the beginning of an id, a thumbprint, or a DeviceID
  dmtap identity export 3f5a device.pem       the file holds a private key
  dmtap identity remove 3f5a")]
pub struct Identity {
    #[command(subcommand)]
    verb: Verb,
    /// Folder of the CA; the default is ~/.dmtap.
    #[arg(long, global = true, env = "DMTAP_CONFDIR", value_name = "FOLDER")]
    confdir: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the identities, one a line.
    #[command(after_help = "\
Examples:
  dmtap identity list
  dmtap identity list --output json")]
    List,
    /// Print what is known of an identity, without its key.
    #[command(after_help = "\
Examples:
  dmtap identity show 3f5a")]
    Show {
        /// The beginning of its id, a thumbprint, or a DeviceID.
        id: String,
    },
    /// Write an identity with its private key to a new file, for another dmtap, openssl or curl.
    #[command(after_help = "\
Examples:
  dmtap identity export 3f5a device.pem")]
    Export {
        /// The beginning of its id, a thumbprint, or a DeviceID.
        id: String,
        /// The file, which must not exist.
        path: PathBuf,
    },
    /// Add an identity that another dmtap exported.
    #[command(after_help = "\
Examples:
  dmtap identity import device.pem")]
    Import {
        /// The file.
        path: PathBuf,
    },
    /// Remove an identity: dmtap can no longer stand for that device.
    #[command(after_help = "\
Examples:
  dmtap identity remove 3f5a")]
    Remove {
        /// The beginning of its id, a thumbprint, or a DeviceID.
        id: String,
    },
}

impl Identity {
    /// Runs the verb.
    ///
    /// # Errors
    /// A store that cannot be used (2), an identity that is not there or a file that cannot be written (1).
    pub fn run(self, output: Output) -> Outcome {
        let store = IdentityStore::of(&super::confdir(self.confdir.as_deref())?);
        match self.verb {
            Verb::List => {
                let (identities, damaged) = store.list().map_err(failure)?;
                if identities.is_empty() && damaged.is_empty() {
                    print::line("no identities");
                }
                let lines = identities.iter().map(|identity| line(identity, output));
                write_text(&lines.collect::<String>(), output)?;
                let damaged = damaged.iter().map(|error| format!("error: {error}\n"));
                match damaged.collect::<String>() {
                    none if none.is_empty() => Ok(()),
                    damaged => Err(Failure::Failed(damaged)),
                }
            }
            Verb::Show { id } => {
                let identity = store.find(&id).map_err(failure)?;
                let text = match output {
                    Output::Json => line(&identity, output),
                    Output::Text => facts(&identity),
                };
                write_text(&text, output)
            }
            Verb::Export { id, path } => export(&store, &id, &path),
            Verb::Import { path } => {
                let identity = store.import(&read_input(&path)?, &path).map_err(failure)?;
                print::line(&format!("imported {}", summary(&identity)));
                Ok(())
            }
            Verb::Remove { id } => {
                let (id, what) = match store.find(&id) {
                    Ok(identity) => (identity.id.clone(), summary(&identity)),
                    Err(StoreError::Damaged { id, .. }) => (id.clone(), id.to_string()),
                    Err(error) => return Err(failure(error)),
                };
                store.remove(&id).map_err(failure)?;
                print::line(&format!("removed {what}"));
                Ok(())
            }
        }
    }
}

fn export(store: &IdentityStore, id: &str, path: &Path) -> Outcome {
    let identity = store.find(id).map_err(failure)?;
    let text = store.export(&identity).map_err(failure)?;
    let name = printable::path(path);
    write_private(path, &text).map_err(|error| Failure::unwritable(&name, &error))?;
    print::line(&format!(
        "wrote {name}, which holds a private key: whoever reads it can stand for {}",
        summary(&identity)
    ));
    Ok(())
}

fn failure(error: StoreError) -> Failure {
    let why = format!("error: {error}");
    match error {
        StoreError::Unknown(_) | StoreError::Several(..) | StoreError::Full => Failure::Failed(why),
        _ => Failure::Usage(why),
    }
}

fn line(identity: &StoredIdentity, output: Output) -> String {
    match output {
        Output::Text => format!("{}\n", summary(identity)),
        // It has only strings, and no key.
        Output::Json => serde_json::to_string(identity).unwrap_or_default() + "\n",
    }
}

fn summary(identity: &StoredIdentity) -> String {
    let StoredIdentity {
        id,
        device_id,
        server,
        server_certificate,
        ..
    } = identity;
    let until = &server_certificate.not_after;
    let line = format!(
        "{id} device {device_id} at {server}, {} until {until}",
        server_certificate.subject
    );
    printable::line(&line).into_owned()
}

fn facts(identity: &StoredIdentity) -> String {
    let certificate = |whose: &str, facts: &CertificateDetails| {
        format!(
            "{whose}\n  subject     {}\n  issuer      {}\n  serial      {}\n  valid       {} to {}\n  thumbprint  {}\n",
            printable::line(&facts.subject),
            printable::line(&facts.issuer),
            facts.serial,
            facts.not_before,
            facts.not_after,
            facts.thumbprint
        )
    };
    let renews = identity.renews.as_ref();
    let renews = renews.map_or(String::new(), |old| format!("renews    {old}\n"));
    format!(
        "id        {}\ndevice    {}\nserver    {}\ncreated   {}\n{renews}{}{}",
        identity.id,
        printable::line(&identity.device_id),
        printable::line(&identity.server),
        identity.created,
        certificate(
            "certificate that dmtap presents to the server",
            &identity.server_certificate
        ),
        certificate(
            "certificate that the device presents to dmtap",
            &identity.device_certificate
        )
    )
}
