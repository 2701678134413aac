//! The pseudo-inverse rule: projection onto what is stored.

use super::{add, length, sum_of_products};

/// A pattern whose part outside the others' span is shorter than this share of it depends on them.
const DEPENDENT: f64 = 1e-9;

/// The projection matrix onto the patterns' span, diagonal and all, and the span's dimension.
///
/// An orthonormal basis by Gram and Schmidt, each pattern freed of the earlier ones twice, which is enough for
/// orthogonality to rounding; no Gram matrix is inverted, so dependent patterns need no special case.
pub(super) fn learn(signs: &[Vec<f64>]) -> (Vec<f64>, usize) {
    let n = signs[0].len();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for xi in signs {
        if basis.len() == n {
            break;
        }
        let mut rest = xi.clone();
        for _ in 0..2 {
            for q in &basis {
                let along = sum_of_products(q, &rest);
                add(&mut rest, -along, q);
            }
        }
        let size = length(&rest);
        if size > DEPENDENT * (n as f64).sqrt() {
            rest.iter_mut().for_each(|x| *x /= size);
            basis.push(rest);
        }
    }
    let mut values = vec![0.0; n * n];
    if basis.len() == n {
        (0..n).for_each(|i| values[i * (n + 1)] = 1.0);
        return (values, n);
    }
    for (i, row) in values.chunks_exact_mut(n).enumerate() {
        for q in &basis {
            add(row, q[i], q);
        }
    }
    for i in 0..n {
        for j in 0..i {
            values[j * n + i] = values[i * n + j];
        }
    }
    (values, basis.len())
}

#[cfg(test)]
mod tests {
    use crate::learn::Rule;
    use crate::pattern::{Spins, StoredPatterns};
    use crate::random::Philox;

    /// W is symmetric, W W = W, W xi = xi, and its trace is the rank, with patterns that repeat or mirror others.
    #[test]
    fn it_is_the_projection_onto_the_patterns() {
        let mut random = Philox::new(8, 0);
        let n = 29;
        for count in [1, 5, 17, 40] {
            let mut patterns: Vec<Spins> = (0..count).map(|_| Spins::random(n, &mut random)).collect();
            patterns.extend([patterns[0].clone(), patterns[0].mirrored()]);
            let stored = StoredPatterns::new(&patterns).unwrap();
            let learned = Rule::PseudoInverse { diagonal: true }.learn(&stored).unwrap();
            let w = learned.weights;
            assert_eq!(learned.report.rank, Some(count.min(n)));
            let trace: f64 = (0..n).map(|i| w.weight(i, i)).sum();
            assert!((trace - count.min(n) as f64).abs() < 1e-12);
            for i in 0..n {
                for j in 0..n {
                    let square: f64 = (0..n).map(|k| w.weight(i, k) * w.weight(k, j)).sum();
                    assert!((square - w.weight(i, j)).abs() < 1e-12);
                }
                for pattern in &patterns {
                    let field: f64 = (0..n).map(|j| w.weight(i, j) * f64::from(pattern.sign(j))).sum();
                    assert!((field - f64::from(pattern.sign(i))).abs() < 1e-12);
                }
            }
        }
    }

    /// Without its diagonal a pattern's field is x_i (1 - w_ii): fixed as long as there is room, and nothing at P = N.
    #[test]
    fn without_its_diagonal_the_field_shrinks() {
        let stored = StoredPatterns::random(40, 30, &mut Philox::new(9, 0)).unwrap();
        let kept = Rule::PseudoInverse { diagonal: true }.learn(&stored).unwrap();
        let bare = Rule::PseudoInverse { diagonal: false }.learn(&stored).unwrap();
        assert!(kept.report.stability > 0.0 && bare.report.stability > 0.0);
        for (unit, field) in bare.weights.fields(&stored.pattern(3)).into_iter().enumerate() {
            let expected = f64::from(stored.pattern(3).sign(unit)) * (1.0 - kept.weights.weight(unit, unit));
            assert!((field - expected).abs() < 1e-12);
        }
        let full: Vec<Spins> =
            (0..4).map(|i| Spins::from_signs(&[0, 1, 2, 3].map(|j| if i == j { -1 } else { 1 })).unwrap()).collect();
        let full = Rule::PseudoInverse { diagonal: false }.learn(&StoredPatterns::new(&full).unwrap()).unwrap();
        assert!(full.weights.values().iter().all(|w| *w == 0.0) && full.report.rank == Some(4));
    }
}
