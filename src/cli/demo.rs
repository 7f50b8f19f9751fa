//! `dmtap demo`: a whole session on this machine.

use super::seed::Seed;
use super::{Failure, Outcome, Output, runtime};
use crate::app::demo;

/// Watch two sessions pass, one in XML and one in WBXML, with one command failed on purpose.
///
/// A simulated device, dmtap and a reference server talk over TLS on loopback. The records are written to
/// ./dmtap-demo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  dmtap demo && tshark -r dmtap-demo/demo.pcapng")]
pub struct Demo {
    #[command(flatten)]
    seed: Seed,
}

impl Demo {
    /// Runs the verb.
    ///
    /// # Errors
    /// Where a session does not come to its end, or a file cannot be written.
    pub fn run(self, output: Output) -> Outcome {
        let live = match output {
            Output::Text => crate::app::proxy::Live::Transcript,
            Output::Json => crate::app::proxy::Live::JsonLines,
        };
        let closing = runtime()?
            .block_on(demo::run(live, self.seed.number()))
            .map_err(|why| Failure::Failed(format!("error: {why}")))?;
        match output {
            Output::Text => super::write_output(closing.as_bytes()),
            Output::Json => Ok(()),
        }
    }
}
