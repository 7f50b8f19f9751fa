//! `dmtap ca`: the certificate that devices must trust.

use std::path::{Path, PathBuf};

use super::{Failure, Outcome, Output, authority, only_text, write_bytes};
use crate::app::print;
use crate::dm::certificate::{Certificate, sha256};
use crate::printable;
use crate::proxy::Authority;

/// Work with dmtap's certificate authority.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap ca export dmtap.cer                 for a double click on Windows
  dmtap ca export --format pem > dmtap.pem  for curl --cacert")]
pub struct Ca {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the CA certificate that devices must trust, without its key; create the CA if there is none.
    #[command(after_help = "\
Examples:
  dmtap ca export dmtap.cer
  dmtap ca export --format pem > dmtap.pem")]
    Export {
        /// Where to write; standard output if absent.
        path: Option<PathBuf>,
        /// pem is text, cer is DER; the default is cer for a file that ends in .cer, .crt or .der, else pem.
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Folder of the CA; the default is ~/.dmtap.
        #[arg(long, env = "DMTAP_CONFDIR", value_name = "FOLDER")]
        confdir: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text.
    Pem,
    /// DER.
    Cer,
}

impl Ca {
    /// Runs the verb.
    ///
    /// # Errors
    /// A CA that cannot be read or made (2), a file that cannot be written (1).
    pub fn run(self, output: Output) -> Outcome {
        only_text(output, "ca")?;
        let Verb::Export {
            path,
            format,
            confdir,
        } = self.verb;
        let is_new = !super::confdir(confdir.as_deref())?.join(SECRET).exists();
        let authority = authority(confdir.as_deref())?;
        if is_new {
            let folder = authority.certificate_file().parent();
            let folder = folder.unwrap_or(Path::new(".")).display();
            print::line(&format!("created a new CA in {folder}"));
        }
        let facts = facts(&authority);
        let path = path.filter(|path| path.as_os_str() != "-");
        let certificate = match format.unwrap_or_else(|| by_extension(path.as_deref())) {
            Format::Cer => authority.certificate_der(),
            Format::Pem => authority.certificate_pem(),
        };
        match path {
            None => write_bytes(&certificate),
            Some(path) => {
                let name = printable::path(&path);
                let written = std::fs::write(&path, certificate);
                written.map_err(|error| Failure::unwritable(&name, &error))?;
                print::line(&format!("wrote {name}: {facts}"));
                Ok(())
            }
        }
    }
}

/// Returns subject and SHA-256 of the CA, to compare them with those on the device.
fn facts(authority: &Authority) -> String {
    let der = authority.certificate_der();
    let subject = Certificate::read(&der).map(|certificate| certificate.subject);
    let hash = sha256(&der);
    format!(
        "{}, SHA-256 {hash}",
        printable::line(&subject.unwrap_or_default())
    )
}

fn by_extension(path: Option<&Path>) -> Format {
    let extension = path.and_then(Path::extension).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    match ["cer", "der", "crt"].iter().any(|cer| extension == *cer) {
        true => Format::Cer,
        false => Format::Pem,
    }
}

/// The file with the key, which every folder of a CA has.
const SECRET: &str = "dmtap-ca.pem";
