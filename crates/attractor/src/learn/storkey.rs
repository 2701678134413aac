//! Storkey's rule.

use super::{add, sum_of_products};
use crate::product;

/// w_ij += (xi_i xi_j - xi_i h_ji - h_ij xi_j) / N, pattern by pattern; the diagonal never enters and ends zero.
///
/// With H_i = sum_k w_ik xi_k and a zero diagonal, h_ij = H_i - w_ij xi_j, so that with xi_j^2 = 1
/// w_ij += (xi_i xi_j - xi_i H_j - H_i xi_j + 2 w_ij) / N - (w_ij xi_j xi_j and w_ij xi_i xi_i are the two w_ij).
///
/// Each pattern so leaves a matrix of rank two, xi g^T + g xi^T with g = (xi / 2 - H) / N, which every later one scales by
/// 1 + 2 / N. The fields of a new pattern are sums over the earlier ones, O(N P) where a product with the weights would
/// take O(N^2), and the weights are made once, at the end.
///
/// # Cost
/// O(N P^2) for the fields and 2 N^2 P multiplications for the weights, by one product of matrices.
pub(super) fn learn(signs: &[Vec<f64>]) -> Vec<f64> {
    let n = signs[0].len();
    let growth = 1.0 + 2.0 / n as f64;
    // g of the earlier patterns, scaled until now, and the diagonal of the whole sum, which no field feels.
    let mut left: Vec<Vec<f64>> = Vec::new();
    let mut diagonal = vec![0.0; n];
    for xi in signs {
        let mut fields = vec![0.0; n];
        for (g, earlier) in left.iter().zip(signs) {
            add(&mut fields, sum_of_products(g, xi), earlier);
            add(&mut fields, sum_of_products(earlier, xi), g);
        }
        for i in 0..n {
            fields[i] -= diagonal[i] * xi[i];
        }
        left.iter_mut().flatten().for_each(|g| *g *= growth);
        let g: Vec<f64> = xi.iter().zip(&fields).map(|(x, h)| (0.5 * x - h) / n as f64).collect();
        for i in 0..n {
            diagonal[i] = growth * diagonal[i] + 2.0 * g[i] * xi[i];
        }
        left.push(g);
    }
    let (count, mut transposed) = (signs.len(), vec![0.0; n * signs.len()]);
    for (mu, xi) in signs.iter().enumerate() {
        (0..n).for_each(|i| transposed[i * count + mu] = xi[i]);
    }
    let half = product(&transposed, &left.concat(), (n, count, n));
    let mut values = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let weight = half[i * n + j] + half[j * n + i];
            (values[i * n + j], values[j * n + i]) = (weight, weight);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Rule;
    use crate::pattern::StoredPatterns;
    use crate::random::Philox;

    /// The definition with its sums over k != i, j.
    fn by_definition(signs: &[Vec<f64>]) -> Vec<f64> {
        let n = signs[0].len();
        let mut w = vec![vec![0.0; n]; n];
        for xi in signs {
            let h = |i: usize, j: usize| (0..n).filter(|&k| k != i && k != j).map(|k| w[i][k] * xi[k]).sum::<f64>();
            let mut next = w.clone();
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j) {
                next[i][j] += (xi[i] * xi[j] - xi[i] * h(j, i) - h(i, j) * xi[j]) / n as f64;
            }
            w = next;
        }
        w.concat()
    }

    #[test]
    fn the_short_form_is_the_definition() {
        let patterns = StoredPatterns::random(13, 6, &mut Philox::new(6, 0)).unwrap();
        let signs: Vec<Vec<f64>> =
            (0..6).map(|mu| patterns.pattern(mu).to_signs().into_iter().map(f64::from).collect()).collect();
        let (short, long) = (learn(&signs), by_definition(&signs));
        assert!(short.iter().zip(&long).all(|(a, b)| (a - b).abs() < 1e-13));
    }

    /// The first pattern is Hebb's; correlated ones are held where Hebb loses them.
    #[test]
    fn one_pattern_is_hebbs_and_many_are_held_better() {
        let mut random = Philox::new(7, 0);
        let one = StoredPatterns::random(40, 1, &mut random).unwrap();
        let (a, b) = (Rule::Storkey.learn(&one).unwrap().weights, Rule::Hebb.learn(&one).unwrap().weights);
        assert!(a.values().iter().zip(b.values()).all(|(a, b)| (a - b).abs() < 1e-15));
        let many = StoredPatterns::random(100, 20, &mut random).unwrap();
        let stability = |rule: Rule| rule.learn(&many).unwrap().report.stability;
        assert!(stability(Rule::Storkey) > 0.0 && stability(Rule::Hebb) < 0.0);
    }
}
