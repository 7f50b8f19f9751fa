//! The records at the beginning of a run: the address of dmtap, and the run itself.

use std::net::SocketAddr;

use aws_lc_rs::rand;

use super::rule_sources::Sources;
use crate::dm::certificate::{hex, sha256};
use crate::proxy::{Authority, Settings, now};
use crate::record::model::{ListenerRecord, RuleFileRecord, RunRecord, StartRecord};
use crate::rules::chance::DEFAULT_SEED;

/// Returns the record of a run that begins now, with its rules.
pub(super) fn run_record(settings: &Settings, sources: Option<&Sources>) -> RunRecord {
    let mode = settings.mode.to_string();
    let seed = sources.map_or(DEFAULT_SEED, Sources::seed);
    let run = RunRecord::new(id(), now(), mode, seed);
    let texts = sources.into_iter().flat_map(Sources::texts);
    let rules = texts.map(|(file, text, names)| RuleFileRecord {
        file: file.to_owned(),
        sha256: sha256(text.as_bytes()).to_ascii_lowercase(),
        names: names.map(str::to_owned).collect(),
    });
    RunRecord {
        rules: rules.collect(),
        ..run
    }
}

/// Returns the record that dmtap listens at this address.
pub fn start_record(scheme: &str, address: SocketAddr, authority: &Authority) -> StartRecord {
    let ca = authority.certificate_file().display().to_string();
    StartRecord::new(now(), ListenerRecord::new(scheme, address), ca)
}

/// Returns an id that no other run has.
fn id() -> String {
    let mut bytes = [0; 8];
    match rand::fill(&mut bytes) {
        Ok(()) => hex(&bytes).to_ascii_lowercase(),
        // Without random bytes, the time tells two runs of one process number apart.
        Err(_) => format!("{:016x}", now().0 ^ (u64::from(std::process::id()) << 48)),
    }
}
