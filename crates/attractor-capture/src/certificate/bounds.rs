//! What entropy, visible keys, participation and peak allow each other.

use attractor::retrieve::HeadStatistics;

/// Largest weight of n weights >= 0 that sum to one and whose squares sum to `squares`: one spike, the rest equal.
fn spike(squares: f64, n: f64) -> f64 {
    ((1.0 + ((n - 1.0) * (n * squares - 1.0)).max(0.0).sqrt()) / n).min(1.0)
}

/// Largest entropy of n weights >= 0 that sum to one and whose squares sum to `squares`, nats: that of one spike.
///
/// # Source
/// Harremoes and Topsoe 2001, *Inequalities between entropy and index of coincidence*, theorem II.5.
fn largest_entropy(squares: f64, n: f64) -> f64 {
    let plogp = |p: f64| if p > 0.0 { p * p.ln() } else { 0.0 };
    let top = spike(squares, n);
    if n < 2.0 { 0.0 } else { -plogp(top) - (n - 1.0) * plogp((1.0 - top) / (n - 1.0)) }
}

/// By how much a row's entropy and peak leave their bounds; negative inside. `None` where a row says nothing.
pub(super) fn violations(s: &HeadStatistics, row: usize) -> Option<(f64, f64)> {
    let number = |x: &[f32]| x.get(row).map(|&x| f64::from(x)).filter(|x| !x.is_nan());
    let n = f64::from(*s.visible.get(row)?);
    let (entropy, participation, peak) = (number(&s.entropy)?, number(&s.participation)?, number(&s.peak)?);
    if n < 1.0 {
        return None;
    }
    // Entropy and participation are of the renormalised row, the peak is not.
    let total = 1.0 + number(&s.row_sum_error)? - number(&s.sink_mass).unwrap_or(0.0);
    let share = peak / total;
    let squares = 1.0 / participation;
    let lower = participation.ln().max(number(&s.entropy_bound).unwrap_or(0.0));
    let upper = n.ln().min(largest_entropy(squares, n));
    let entropy_leaves = (lower - entropy).max(entropy - upper);
    let peak_leaves = (squares - share).max(share - spike(squares, n));
    Some((entropy_leaves, peak_leaves))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spike_is_the_extreme_among_weights_of_equal_squares() {
        // Exact: n = 4, one spike a = 0.7, the rest 0.1 each.
        let squares = 0.49 + 0.03;
        assert!((spike(squares, 4.0) - 0.7).abs() < 1e-12);
        let entropy = -(0.7f64 * 0.7f64.ln() + 0.3 * 0.1f64.ln());
        assert!((largest_entropy(squares, 4.0) - entropy).abs() < 1e-12);
        // Uniform: ln n; certain: 0.
        assert!((largest_entropy(0.25, 4.0) - 4f64.ln()).abs() < 1e-12);
        assert!(largest_entropy(1.0, 4.0).abs() < 1e-12 && largest_entropy(1.0, 1.0) == 0.0);
        // Random weights never exceed either.
        let mut random = attractor::random::Philox::new(7, 0);
        for _ in 0..2000 {
            let n = 2 + random.below(30);
            let mut w: Vec<f64> = (0..n).map(|_| (2.5 * random.normal()).exp()).collect();
            let sum: f64 = w.iter().sum();
            w.iter_mut().for_each(|w| *w /= sum);
            let squares: f64 = w.iter().map(|w| w * w).sum();
            let entropy: f64 = -w.iter().map(|w| w * w.ln()).sum::<f64>();
            assert!(entropy <= largest_entropy(squares, n as f64) + 1e-9 && entropy >= -squares.ln() - 1e-9);
            let peak = w.iter().copied().fold(0.0, f64::max);
            assert!(peak <= spike(squares, n as f64) + 1e-9 && peak >= squares - 1e-9);
        }
    }

    #[test]
    fn a_report_that_contradicts_itself_is_caught() {
        // Row standard deviation 0.0243 at 128 keys: the sum of squares is n (sd^2 + 1/n^2); normalised entropy 0.983
        // is impossible there, at most 0.840 is.
        let n = 128f64;
        let squares = n * (0.0243f64.powi(2) + 1.0 / n / n);
        assert!((largest_entropy(squares, n) / n.ln() - 0.840).abs() < 5e-4);
        let statistics = |entropy: f64| HeadStatistics {
            queries: 1,
            keys: 128,
            visible: vec![128],
            entropy: vec![entropy as f32],
            participation: vec![(1.0 / squares) as f32],
            peak: vec![0.2],
            row_sum_error: vec![0.0],
            ..HeadStatistics::default()
        };
        assert!(violations(&statistics(0.983 * n.ln()), 0).unwrap().0 > 0.5);
        assert!(violations(&statistics(0.83 * n.ln()), 0).unwrap().0 < 0.0);
    }
}
