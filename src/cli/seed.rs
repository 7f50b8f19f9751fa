//! `--seed`: what the chance of rules is drawn from.

use crate::app::print;
use crate::rules::chance::DEFAULT_SEED;

/// The seed of a run.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Seed {
    /// What `chance` in rules is drawn from: the same number and the same conversation give the same faults.
    #[arg(long, default_value_t = DEFAULT_SEED, value_name = "NUMBER")]
    seed: u64,
}

impl Seed {
    /// The number.
    pub(super) fn number(self) -> u64 {
        self.seed
    }

    /// Says how the same faults are to be had again.
    pub(super) fn announce(self) {
        print::line(&format!("chance is drawn with --seed {}", self.seed));
    }
}
