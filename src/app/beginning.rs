//! The lines with which a run begins: where dmtap listens, and the run that a record is of.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;

use super::rule_sources::Sources;
use crate::proxy::{Authority, Mode, Settings, now};
use crate::record::model::{ListenerRecord, RuleFileRecord, RunRecord, StartRecord};
use crate::rules::chance::DEFAULT_SEED;

/// The run that begins now with these rules.
pub(super) fn run(settings: &Settings, sources: Option<&Sources>) -> RunRecord {
    let mode = mode(&settings.mode);
    let seed = sources.map_or(DEFAULT_SEED, Sources::seed);
    let run = RunRecord::new(id(), now(), mode, seed);
    let texts = sources.into_iter().flat_map(Sources::texts);
    let rules = texts.map(|(file, text, names)| RuleFileRecord {
        file: file.to_owned(),
        sha256: hex(digest(&SHA256, text.as_bytes()).as_ref()),
        names: names.map(str::to_owned).collect(),
    });
    RunRecord {
        rules: rules.collect(),
        ..run
    }
}

/// dmtap listens at this address.
pub fn start(scheme: &str, address: SocketAddr, authority: &Authority) -> StartRecord {
    let ca = authority.certificate_file().display().to_string();
    StartRecord::new(now(), ListenerRecord::new(scheme, address), ca)
}

/// The mode as `--mode` has it.
fn mode(mode: &Mode) -> String {
    match mode {
        Mode::Reverse { server } => {
            format!("reverse:{}://{}", server.scheme.name(), server.authority())
        }
        Mode::Regular => "regular".into(),
    }
}

/// An id that no other run has.
fn id() -> String {
    let mut bytes = [0; 8];
    match rand::fill(&mut bytes) {
        Ok(()) => hex(&bytes),
        // Without random bytes, the time tells two runs of one process number apart.
        Err(_) => format!("{:016x}", now().0 ^ (u64::from(std::process::id()) << 48)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
