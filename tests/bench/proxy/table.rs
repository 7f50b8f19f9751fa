//! Numbers as a Markdown table.

use std::time::Duration;

use super::load::Slice;

/// One contender's numbers.
pub(crate) struct Row {
    name: &'static str,
    rates: Vec<f64>,
    latencies: Vec<Duration>,
    cpu: Option<Duration>,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rates: Vec::new(),
            latencies: Vec::new(),
            cpu: None,
        }
    }

    pub(crate) fn add(&mut self, slice: Slice, cpu: Option<Duration>) {
        let rate = slice.latencies.len() as f64 / slice.took.as_secs_f64();
        self.rates.push(rate);
        self.latencies.extend(slice.latencies);
        if let Some(cpu) = cpu {
            *self.cpu.get_or_insert_default() += cpu;
        }
    }

    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    /// The median of what this one did in each round, in shares of what the other did in the same round.
    fn share_of(&self, other: &Self) -> f64 {
        let shares = self.rates.iter().zip(&other.rates);
        let mut shares: Vec<_> = shares.map(|(own, other)| own / other).collect();
        shares.sort_by(f64::total_cmp);
        shares[shares.len() / 2]
    }

    fn percentile(&self, percent: usize) -> f64 {
        let mut latencies = self.latencies.clone();
        latencies.sort();
        let at = (latencies.len() * percent / 100).min(latencies.len() - 1);
        latencies[at].as_secs_f64() * 1e3
    }

    /// The contender that differs in what this one's name adds after the comma, and the share of it.
    fn share_of_plain<'a>(&self, rows: &'a [Self]) -> Option<(&'a str, f64)> {
        let plain = [", 1,000 rules", ", --stay on"]
            .into_iter()
            .find_map(|suffix| self.name.strip_suffix(suffix))?;
        let other = rows.iter().find(|row| row.name == plain)?;
        Some((other.name, self.share_of(other)))
    }

    /// Microseconds of processor time per request.
    fn cpu(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() * 1e6 / self.latencies.len() as f64)
    }
}

/// Prints all rows and their share of the bare proxy.
pub(crate) fn print(title: &str, rows: &[Row]) {
    let bare = rows.iter().find(|row| row.name.contains("bare"));
    println!("\n### {title}\n");
    println!("| | requests/s | × bare | p50 ms | p99 ms | CPU µs/request | CPU × bare |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        let share = bare.map_or(1.0, |bare| row.share_of(bare));
        let cpu = row.cpu().map_or("–".into(), |cpu| format!("{cpu:.0}"));
        let cpu_share = bare.and_then(|bare| Some(row.cpu()? / bare.cpu()?));
        let cpu_share = cpu_share.map_or("–".into(), |share| format!("{share:.2}"));
        println!(
            "| {} | {:.0} | {share:.2} | {:.2} | {:.2} | {cpu} | {cpu_share} |",
            row.name,
            row.rate(),
            row.percentile(50),
            row.percentile(99),
        );
    }
    for row in rows {
        if let Some((plain, share)) = row.share_of_plain(rows) {
            println!("\n{}: {share:.3} × {plain}", row.name);
        }
    }
}
