//! `--seed`: what the chance of rules is drawn from.

/// The seed of a run.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Seed {
    /// What `chance` in rules is drawn from: the same number and the same conversation give the same faults.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

impl Seed {
    /// The number.
    pub(super) fn number(self) -> u64 {
        self.seed
    }
}
