//! `dmtap device`: the device simulator.

mod enroll;

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::{Failure, Outcome, Output, block_on_unless_interrupted, json_line, write_and_flush};
use crate::app::device::{self, RetryPolicy, SessionError};
use crate::app::dial::Dialer;
use crate::app::print;
use crate::dm::StatusCode;
use crate::peer::{self, Encoding, Profile, Sizes};
use crate::proxy::Trust;

/// Run a simulated device against a DM server: one session, from package 1 to its end.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  dmtap device https://localhost:8443/ManagementServer/MDM.svc --ca ~/.dmtap/dmtap-ca-cert.pem
  dmtap device https://localhost:8080/ --ca ~/.dmtap/dmtap-ca-cert.pem --wbxml
  dmtap device https://localhost:8080/ -k --max-msg-size 3000
  dmtap device enroll https://localhost:8080/EnrollmentServer/Discovery.svc --user user@dmtap.test --password password \
--root-ca ~/.dmtap/dmtap-ca-cert.pem

Exit code 1: the session did not come to its end.")]
pub struct Device {
    #[command(subcommand)]
    verb: Option<DeviceVerb>,
    /// The server's address, or dmtap's.
    #[arg(required = true)]
    url: Option<Uri>,
    /// Also trust the CAs in this PEM file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Trust any certificate.
    #[arg(short = 'k', long, conflicts_with = "ca")]
    ssl_insecure: bool,
    /// Send WBXML instead of XML.
    #[arg(long)]
    wbxml: bool,
    /// The device's id: the Source of its messages.
    #[arg(long, default_value = "DMTAP-0123456789ABCDEF", value_name = "ID")]
    device_id: String,
    /// The SessionID; by default each run takes a new one.
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// MaxMsgSize: the longest message that the device accepts and sends, in bytes. Longer values travel in chunks.
    #[arg(long, value_name = "BYTES")]
    max_msg_size: Option<u32>,
    /// MaxObjSize: the longest value that the device accepts, in bytes. It answers longer ones with 413 or 416.
    #[arg(long, value_name = "BYTES")]
    max_obj_size: Option<u32>,
}

#[derive(Debug, clap::Subcommand)]
enum DeviceVerb {
    Enroll(enroll::Enroll),
}

impl Device {
    /// Runs the verb.
    ///
    /// # Errors
    /// A session that does not come to its end.
    pub fn run(self, output: Output) -> Outcome {
        if let Some(DeviceVerb::Enroll(verb)) = self.verb {
            return verb.run(output);
        }
        let url = self.url.unwrap_or_default();
        if !matches!(url.scheme_str(), Some("http" | "https")) {
            let why =
                format_args!("{url} is not the full address of a server: begin with https://");
            return Err(Failure::usage(why));
        }
        let trust = Trust::of(self.ca.as_deref(), self.ssl_insecure);
        let client = Dialer::new(Vec::new()).client(&trust);
        let client = client.map_err(Failure::usage)?;
        let profile = Profile {
            id: self.device_id,
            sizes: Sizes {
                message: self.max_msg_size,
                object: self.max_obj_size,
            },
            ..Profile::default()
        };
        let mut device = peer::Device::new(profile, peer::device::demo_tree());
        let wire = if self.wbxml {
            Encoding::Wbxml
        } else {
            Encoding::Xml
        };
        let url = &url;
        let id = &self.session_id.unwrap_or_else(device::random_session_id);
        let session = device::run_session(&client, url, &mut device, id, wire, retry());
        let stopped = "interrupted: the device stopped before the end of its session";
        let ended = block_on_unless_interrupted(session, stopped);
        write_and_flush(&report(&device, output), output)?;
        ended?.map_err(|error| {
            let remedy = remedy(&error, &trust);
            Failure::failed(format_args!("{error}{remedy}"))
        })?;
        match device.refused {
            None => Ok(()),
            Some(code) => Err(Failure::Failed(refusal(code))),
        }
    }
}

/// Returns the default policy, but with a line about each wait.
fn retry() -> RetryPolicy {
    let on_busy = |asked: Duration| {
        let longest = RetryPolicy::default().longest;
        let how = match asked > longest {
            true => format!("waiting {} s, no longer", longest.as_secs()),
            false => "waiting".into(),
        };
        let asked = asked.as_secs();
        print::line(&format!("the server asks to come back in {asked} s: {how}"));
    };
    RetryPolicy {
        on_busy,
        ..RetryPolicy::default()
    }
}

/// Returns the remedy, if one is known.
fn remedy(error: &SessionError, trust: &Trust) -> &'static str {
    match (error, trust) {
        (SessionError::NoResponse { why, .. }, Trust::Platform) if why.is_untrusted => {
            "\nhelp: dmtap's own CA is in ~/.dmtap: --ca ~/.dmtap/dmtap-ca-cert.pem"
        }
        _ => "",
    }
}

/// Returns the text for a server that refuses a whole message.
fn refusal(code: StatusCode) -> String {
    let what = match code.0 {
        401 | 407 => "the login",
        _ => "the device's message",
    };
    format!("error: the server refused {what} ({code})")
}

fn report(device: &peer::Device, output: Output) -> String {
    let codes = device.done.iter().map(|(_, code)| code.to_string());
    let width = codes.map(|code| code.chars().count()).max();
    let width = width.unwrap_or_default().max(NARROWEST);
    let line = |(what, code): &(String, StatusCode)| match output {
        Output::Text => format!("{code:<width$} {what}\n", code = code.to_string()),
        Output::Json => json_line(serde_json::json!({"v": 1, "command": what, "status": code.0})),
    };
    device.done.iter().map(line).collect()
}

/// The least width of the column of codes, in characters.
const NARROWEST: usize = 28;
