//! How sure a share is.

/// The 95 % interval of a share of `hits` in `of` (Wilson 1927), 0 to 1.
pub(crate) fn wilson(hits: u64, of: u64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.959_964;
    let n = of as f64;
    let share = hits as f64 / n;
    let centre = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_intervals() {
        // From R: prop.test(5, 1000, correct = FALSE)$conf.int
        let (low, high) = wilson(5, 1_000);
        assert!((low - 0.002_138).abs() < 1e-5 && (high - 0.011_656).abs() < 1e-5, "{low} {high}");
        let (low, high) = wilson(0, 2_000);
        assert!(low < 1e-9 && (high - 0.001_917).abs() < 1e-5, "{high}");
    }
}
