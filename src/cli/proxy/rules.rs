//! Which rules act, and the seed for their chance.

use std::path::PathBuf;

use crate::app::rule_sources::Sources;
use crate::cli::Failure;
use crate::cli::rule_args::RuleArgs;
use crate::cli::seed::Seed;

/// The rules of `dmtap proxy`.
#[derive(Debug, clap::Args)]
pub(super) struct RuleArguments {
    /// Rule files or folders (searched recursively for *.toml), applied in this order. dmtap reloads files that
    /// change while it runs.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    picked: RuleArgs,
    #[command(flatten)]
    pub(super) seed: Seed,
    /// Fail at the end (exit code 1) if a rule never acted, and name each such rule. Disabled rules do not count.
    #[arg(long)]
    pub(super) require_hits: bool,
}

impl RuleArguments {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be read or are wrong, all of them.
    pub(super) fn open(&self) -> Result<Sources, Failure> {
        self.picked.open(&self.rules, self.seed.number())
    }
}
