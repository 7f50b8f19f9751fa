//! `dmtap doctor`: the checks before a device enrolls through dmtap.

use std::path::PathBuf;

use http::Uri;

use super::{
    Failure, Outcome, Output, block_on_unless_interrupted, confdir, json_line, write_and_flush,
};
use crate::app::doctor::{self, Finding};
use crate::proxy::{Resolve, Trust};

/// Check names, ports, certificates, clock and discovery between devices, dmtap and a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap doctor --server https://mdm.example.com
  dmtap doctor --server https://mdm.example.com --domain example.com --public https://dmtap.lab:8080

It asks the server as a device asks: one GET and one Discover. Exit code 1: something is not right.")]
pub struct Doctor {
    /// The server, or the whole address of its discovery.
    #[arg(long, value_name = "URL", value_parser = address)]
    server: Uri,
    /// The mail domain of the users: Windows looks for enterpriseenrollment.DOMAIN.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// The origin at which devices reach dmtap, such as https://dmtap.lab:8080; dmtap must run.
    #[arg(long, value_name = "ORIGIN", value_parser = address)]
    public: Option<Uri>,
    /// Also trust the CAs in this PEM file.
    #[arg(long, value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// The address of a host, instead of the one that DNS knows, or its URL there, as in dmtap proxy. Can be repeated.
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    resolve: Vec<Resolve>,
    /// Folder of the CA; the default is ~/.dmtap.
    #[arg(long, env = "DMTAP_CONFDIR", value_name = "FOLDER")]
    confdir: Option<PathBuf>,
}

impl Doctor {
    /// Runs the verb.
    ///
    /// # Errors
    /// Something is not right (1).
    pub fn run(self, output: Output) -> Outcome {
        let doctor = doctor::Doctor {
            ca: confdir(self.confdir.as_deref())?.join("dmtap-ca-cert.pem"),
            server: self.server,
            domain: self.domain,
            public: self.public,
            trust: Trust::of(self.server_ca.as_deref(), false),
            resolve: self.resolve,
        };
        let findings = block_on_unless_interrupted(doctor.examine(), "interrupted")?;
        let line = |finding: &Finding| match output {
            Output::Text => text(finding),
            Output::Json => json(finding),
        };
        let lines: String = findings.iter().map(line).collect();
        write_and_flush(&lines, output)?;
        let wrong = findings.iter().filter(|finding| !finding.is_ok()).count();
        match wrong {
            0 => Ok(()),
            _ => Err(Failure::Failed(format!(
                "{wrong} of {} checks failed",
                findings.len()
            ))),
        }
    }
}

fn text(finding: &Finding) -> String {
    let Finding {
        what, text, remedy, ..
    } = finding;
    match remedy {
        None => format!("ok      {what}: {text}\n"),
        Some(remedy) if finding.is_ok() => {
            format!("note    {what}: {text}\n        {remedy}\n")
        }
        Some(remedy) => format!("failed  {what}: {text}\n        to do: {remedy}\n"),
    }
}

fn json(finding: &Finding) -> String {
    let Finding {
        what,
        text,
        remedy,
        is_needed,
    } = finding;
    json_line(serde_json::json!({
        "v": 1, "check": what, "ok": finding.is_ok(), "needed": is_needed, "text": text, "to_do": remedy
    }))
}

fn address(text: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = text.parse().ok();
    let uri = uri.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    uri.ok_or_else(|| "an address such as https://mdm.example.com".into())
}
