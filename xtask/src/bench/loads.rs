//! What the load generators print: the one figure that each is run for.

use anyhow::{Context as _, Result, bail};

/// Requests a second, from `wrk`. Requests that failed are an error: they cost less than those that did not.
pub(super) fn wrk(output: &str) -> Result<f64> {
    for line in output.lines().map(str::trim) {
        if line.starts_with("Socket errors:") || line.starts_with("Non-2xx or 3xx responses:") {
            bail!("wrk: {line}");
        }
    }
    output
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"))
        .and_then(|figure| figure.trim().parse().ok())
        .with_context(|| format!("wrk reported no requests per second: {}", output.trim()))
}

/// Transactions a second, from `pgbench`.
pub(super) fn pgbench(output: &str) -> Result<f64> {
    if let Some(failed) = output.lines().find_map(|line| line.strip_prefix("number of failed transactions: "))
        && !failed.starts_with("0 ")
    {
        bail!("pgbench: {failed} transactions failed");
    }
    output
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("pgbench reported no transactions per second: {}", output.trim()))
}

/// Requests a second over all tests, from `redis-benchmark --csv`: the harmonic mean, as each test has as many requests.
pub(super) fn redis(output: &str) -> Result<f64> {
    let rates: Vec<f64> = output
        .lines()
        .filter_map(|line| line.split(',').nth(1)?.trim_matches('"').parse().ok())
        .filter(|rate| *rate > 0.0)
        .collect();
    if rates.is_empty() {
        bail!("redis-benchmark reported no requests per second: {}", output.trim());
    }
    let count = f64::from(u32::try_from(rates.len())?);
    Ok(count / rates.iter().map(|rate| 1.0 / rate).sum::<f64>())
}

/// How often, and nanoseconds for one time, from the line that the program `workload` prints.
pub(super) fn workload(output: &str) -> Result<(f64, f64)> {
    let numbers = output.trim().split_once(' ');
    let parsed = numbers.and_then(|(times, elapsed)| Some((times.parse().ok()?, elapsed.parse().ok()?)));
    let (times, elapsed): (f64, f64) =
        parsed.with_context(|| format!("the workload printed no figures: {}", output.trim()))?;
    if times < 1.0 {
        bail!("the workload did nothing");
    }
    Ok((times, elapsed / times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_reports_requests_per_second() {
        let output = "Running 2s test @ http://127.0.0.1:80/\n  1 threads and 8 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency   330.67us  262.42us   6.35ms   95.83%\n  48522 requests in 2.10s, 11.38MB read\nRequests/sec:  23108.76\nTransfer/sec:      5.42MB\n";
        assert_eq!(wrk(output).unwrap(), 23108.76);
        assert!(wrk(&format!("{output}  Non-2xx or 3xx responses: 12\n")).is_err());
        assert!(wrk("unable to connect to 127.0.0.1:80 Connection refused\n").is_err());
    }

    #[test]
    fn pgbench_reports_transactions_per_second() {
        let output = "transaction type: <builtin: TPC-B (sort of)>\nscaling factor: 1\nnumber of clients: 2\nnumber of transactions actually processed: 2404\nnumber of failed transactions: 0 (0.000%)\nlatency average = 1.661 ms\ninitial connection time = 4.181 ms\ntps = 1203.921847 (without initial connection time)\n";
        assert_eq!(pgbench(output).unwrap(), 1203.921847);
        assert!(pgbench(&output.replace("transactions: 0 (0.000%)", "transactions: 3 (0.1%)")).is_err());
        assert!(pgbench("").is_err());
    }

    #[test]
    fn redis_benchmark_reports_a_rate_for_each_test() {
        let output = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\"\n\"SET\",\"30000.00\",\"0.2\",\"0.1\"\n\"GET\",\"60000.00\",\"0.2\",\"0.1\"\n";
        assert!((redis(output).unwrap() - 40_000.0).abs() < 1e-6);
        assert!(redis("Could not connect to Redis at 127.0.0.1:6379\n").is_err());
    }

    #[test]
    fn the_workload_reports_times_and_nanoseconds() {
        assert_eq!(workload("256 1024\n").unwrap(), (256.0, 4.0));
        assert!(workload("0 10").is_err());
        assert!(workload("").is_err());
    }
}
