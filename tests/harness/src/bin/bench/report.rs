//! Numbers from rounds, and the table.

use std::time::Duration;

use super::load::Round;

/// All rounds of one side in one row.
pub struct Figures {
    /// Over the time of all rounds.
    pub requests_per_second: f64,
    /// Half of the requests were answered within this time.
    pub p50: Duration,
    /// All but one in a hundred were.
    pub p99: Duration,
    /// How many there were.
    pub requests: usize,
}

impl Figures {
    /// Put rounds together: percentiles are of all requests, not means of the rounds' percentiles.
    pub fn of(rounds: Vec<Round>) -> Self {
        let elapsed: Duration = rounds.iter().map(|round| round.elapsed).sum();
        let mut latencies: Vec<Duration> = rounds.into_iter().flat_map(|round| round.latencies).collect();
        latencies.sort_unstable();
        Self {
            requests_per_second: latencies.len() as f64 / elapsed.as_secs_f64().max(f64::EPSILON),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            requests: latencies.len(),
        }
    }
}

/// Nearest rank: the smallest value that is not exceeded by `percent` of all. Zero if there is none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The table's first line.
pub fn header() -> String {
    format!(
        "{:<12} {:>7} {:<8} {:>11} {:>10} {:>10} {:>9}",
        "revision", "clients", "side", "requests/s", "p50 ms", "p99 ms", "requests"
    )
}

/// Two lines of the table and the comparison.
pub fn rows(revision: &str, clients: usize, gateway: &Figures, bare: &Figures) -> String {
    let row = |side: &str, figures: &Figures| {
        format!(
            "{revision:<12} {clients:>7} {side:<8} {:>11.0} {:>10.2} {:>10.2} {:>9}",
            figures.requests_per_second,
            millis(figures.p50),
            millis(figures.p99),
            figures.requests
        )
    };
    format!(
        "{}\n{}\n{:<12} {clients:>7} {:<8} {:>11} {:>10} {:>10}",
        row("gateway", gateway),
        row("bare", bare),
        revision,
        "ratio",
        ratio(gateway.requests_per_second, bare.requests_per_second),
        ratio(millis(gateway.p50), millis(bare.p50)),
        ratio(millis(gateway.p99), millis(bare.p99)),
    )
}

fn ratio(gateway: f64, bare: f64) -> String {
    if bare > 0.0 { format!("{:.2}", gateway / bare) } else { "-".to_owned() }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(millis: impl IntoIterator<Item = u64>, elapsed: u64) -> Round {
        Round {
            latencies: millis.into_iter().map(Duration::from_millis).collect(),
            elapsed: Duration::from_millis(elapsed),
        }
    }

    #[test]
    fn percentiles_are_nearest_ranks_of_all_rounds_together() {
        let check = |rounds, p50, p99| {
            let figures = Figures::of(rounds);
            assert_eq!((figures.p50, figures.p99), (Duration::from_millis(p50), Duration::from_millis(p99)));
        };
        check(vec![round(1..=100, 1000)], 50, 99);
        check(vec![round(51..=100, 1000), round(1..=50, 1000)], 50, 99);
        check(vec![round([7], 10)], 7, 7);
        check(vec![round([1, 2], 10)], 1, 2);
        check(vec![], 0, 0);
    }

    #[test]
    fn the_rate_is_over_the_time_of_all_rounds() {
        let figures = Figures::of(vec![round([1; 100], 500), round([1; 300], 1500)]);
        assert!((figures.requests_per_second - 200.0).abs() < 1e-9);
        assert_eq!(figures.requests, 400);
    }
}
