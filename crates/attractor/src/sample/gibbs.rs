//! Gibbs sampling: each unit is drawn from its distribution given the others, in both alphabets.
//!
//! What an energy gives a unit is one number, the field h: E of the unit is -x h for spins x in {-1, +1}, -v h for bits v in
//! {0, 1}. The states of a spin lie 2 h apart, those of a bit h: hence the factor of two that separates the two functions
//! of this file. Spins drawn by the bits' rule follow exp(-E / 2T), another temperature.

/// Probability that a spin is +1 given its field: sigma(2 h / T).
///
/// # Source
/// Geman and Geman 1984; for E = -1/2 x J x - b x, the difference between both states is 2 h.
pub fn probability_of_up(field: f64, temperature: f64) -> f64 {
    sigmoid(2.0 * field / temperature)
}

/// Probability that a bit is 1 given its field: sigma(h / T).
///
/// # Source
/// Ackley, Hinton and Sejnowski 1985; for E = -1/2 v W v - a v, the difference between both states is h.
pub fn probability_of_one(field: f64, temperature: f64) -> f64 {
    sigmoid(field / temperature)
}

/// 1 / (1 + exp(-x)), without overflow and without loss in the tails.
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// exp(-E) of both states, each alphabet by itself, at temperatures that are not 1.
    #[test]
    fn each_alphabet_has_its_own_rule() {
        for (field, temperature) in [(0.3, 0.7), (-1.4, 1.3), (0.0, 2.0), (2.5, 0.4f64)] {
            let weight = |energy: f64| (-energy / temperature).exp();
            let up = weight(-field) / (weight(-field) + weight(field));
            let one = weight(-field) / (weight(-field) + weight(0.0));
            assert!((probability_of_up(field, temperature) - up).abs() < 1e-15);
            assert!((probability_of_one(field, temperature) - one).abs() < 1e-15);
        }
        assert_eq!(probability_of_up(1e300, 1e-3), 1.0);
        assert_eq!(probability_of_up(-1e300, 1e-3), 0.0);
        let tail = probability_of_one(-700.0, 1.0);
        assert!((tail / (-700f64).exp() - 1.0).abs() < 1e-12);
    }
}
