//! `dmtap device enroll`: the simulated device enrolls, then runs its sessions.

use std::path::PathBuf;

use clap::ValueEnum;
use http::Uri;

use super::retry;
use crate::app::dial::Dialer;
use crate::app::enroll_device::report::{self, Report};
use crate::app::enroll_device::{self, EnrolledDevice};
use crate::app::enroll_server::new_key;
use crate::cli::{Failure, Outcome, Output, block_on_unless_interrupted, write_and_flush};
use crate::peer::enroll::{CsrForm, EnrollProfile, Enrollment, Login};
use crate::proxy::{Resolve, Trust};

/// Enroll a simulated Windows device, then run management sessions at the address that the server gave it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap device enroll https://enterpriseenrollment.example.com/EnrollmentServer/Discovery.svc --user a@example.com \
--password secret
  dmtap device enroll https://mdm.lab:8080/EnrollmentServer/Discovery.svc --user a@example.com --password secret \
--resolve mdm.lab:8080:127.0.0.1 --root-ca ~/.dmtap/dmtap-ca-cert.pem

Exit code 1: the device refused something, or a session did not come to its end.")]
pub(super) struct Enroll {
    /// The discovery address: https://HOST/EnrollmentServer/Discovery.svc.
    url: Uri,
    /// The user, in mail form.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The user's password (OnPremise).
    #[arg(
        long,
        env = "DMTAP_PASSWORD",
        hide_env_values = true,
        required_unless_present = "token"
    )]
    password: Option<String>,
    /// The token that a sign-in page gave the user (Federated).
    #[arg(long, value_name = "TOKEN", conflicts_with = "password")]
    token: Option<String>,
    /// The Windows whose certificate request to send.
    #[arg(long, value_enum, default_value_t, value_name = "WINDOWS")]
    csr: Csr,
    /// Also trust the CAs in this PEM file.
    #[arg(long, visible_alias = "ca", value_name = "FILE")]
    root_ca: Option<PathBuf>,
    /// The address of a host, instead of the one that DNS knows. Can be repeated.
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    resolve: Vec<Resolve>,
    /// Follow redirects of discovery, as a user allows them.
    #[arg(long)]
    allow_redirect: bool,
    /// The device's id: 32 hexadecimal digits.
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,
    /// Renew the certificate after the first session, with a new key.
    #[arg(long)]
    renew: bool,
    /// Management sessions to run.
    #[arg(long, default_value_t = 2, value_name = "NUMBER")]
    sessions: u32,
}

/// Windows builds whose certificate requests are known byte for byte.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Csr {
    /// Build 19043: SHA-1, a name that strict servers refuse.
    #[default]
    Windows10,
    /// Build 22598: SHA-256, UTF-8, base64 in lines.
    Windows11,
}

impl Enroll {
    /// Runs the verb.
    ///
    /// # Errors
    /// What the device refuses; a session that does not come to its end.
    pub(super) fn run(self, output: Output) -> Outcome {
        let trust = Trust::of(self.root_ca.as_deref(), false);
        let dialer = Dialer::new(self.resolve.clone());
        let made = || new_key().map_err(Failure::failed);
        let key = made()?;
        let profile = self.profile();
        let id = profile.device_id.clone();
        let mut lines = String::new();
        let work = async {
            let client = dialer.client(&trust).map_err(Failure::usage)?;
            let url = self.url.clone();
            let enrollment = enroll_device::enroll(&client, profile.clone(), key.clone(), url)
                .await
                .map_err(Failure::failed)?;
            lines += &in_form(report::enrolled(&enrollment), output);
            let showing = |enrollment: &Enrollment, key| {
                let client = dialer.client_with(&trust, &enrollment.certificate, key);
                client.map_err(Failure::usage)
            };
            let mut client = showing(&enrollment, key.clone())?;
            let mut device = EnrolledDevice::new(enrollment, id);
            for number in 1..=self.sessions {
                if self.renew && number == 2 {
                    let new = made()?;
                    let enrollment = &device.enrollment;
                    let (profile, own) = (profile.clone(), new.clone());
                    let renewed =
                        enroll_device::renew(&client, profile, enrollment, &key, own).await;
                    let renewed = renewed.map_err(Failure::failed)?;
                    lines += &in_form(report::renewed(&renewed), output);
                    client = showing(&renewed, new)?;
                    device.renewed(renewed);
                }
                let number = number.to_string();
                let session = device.session(&client, &number, retry());
                let session = session.await.map_err(Failure::failed)?;
                lines += &in_form(report::session(&session), output);
            }
            Ok(())
        };
        let stopped = "interrupted: the device stopped before its end";
        let ended = block_on_unless_interrupted(work, stopped);
        let hosts = dialer.contacted();
        lines += &in_form(report::contacted(&hosts), output);
        write_and_flush(&lines, output)?;
        ended?
    }

    fn profile(&self) -> EnrollProfile {
        let login = match (&self.token, &self.password) {
            (Some(token), _) => Login::Token(token.clone()),
            (None, password) => Login::Password(password.clone().unwrap_or_default()),
        };
        let csr = match self.csr {
            Csr::Windows10 => CsrForm::Windows10,
            Csr::Windows11 => CsrForm::Windows11,
        };
        let mut profile = EnrollProfile::new(self.user.clone(), login, csr);
        profile.allows_redirects = self.allow_redirect;
        if let Some(id) = &self.device_id {
            profile.device_id.clone_from(id);
        }
        profile
    }
}

fn in_form(report: Report, output: Output) -> String {
    match output {
        Output::Text => report.text,
        Output::Json => report.json,
    }
}
