//! Metropolis: a proposed change is accepted by what it costs.

/// min(1, exp(-dE / T)).
///
/// # Source
/// Metropolis, Rosenbluth, Rosenbluth, Teller and Teller 1953, *Equation of state calculations by fast computing machines*.
pub fn acceptance(cost: f64, temperature: f64) -> f64 {
    (-cost / temperature).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_nothing_is_accepted() {
        assert_eq!((acceptance(-3.0, 0.5), acceptance(0.0, 0.5)), (1.0, 1.0));
        assert!((acceptance(1.3, 0.7) - (-1.3f64 / 0.7).exp()).abs() < 1e-15);
        assert_eq!(acceptance(-1e300, 1e-10), 1.0);
    }
}
