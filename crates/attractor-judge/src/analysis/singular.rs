//! Singular values of a small dense matrix.
//!
//! Householder reflections from both sides leave an upper bidiagonal matrix B; the eigenvalues of the symmetric
//! tridiagonal matrix with zero diagonal and off-diagonal (b_11, b_12, b_22, b_23, ...) are plus and minus its singular
//! values, and implicit QL finds them. Nothing is squared, so small values are exact to eps times the largest.
//!
//! A library of linear algebra would be compiled anew, unoptimised, inside this crate wherever it is generic; this is
//! all that is needed of one.
//! # Source
//! Golub and Kahan 1965, *Calculating the singular values and pseudo-inverse of a matrix*; QL with implicit shifts as in
//! Bowdler, Martin, Reinsch and Wilkinson 1968.

use crate::statistics::rank::dot;

/// Rounds of QL for one eigenvalue; two are usual.
const ROUNDS: usize = 60;

/// Singular values of a row-major [rows, columns] matrix, largest first; min(rows, columns) of them.
///
/// `None` if an entry is not a finite number, or squares of them overflow.
/// # Cost
/// 8/3 n^3 operations for n x n; n = 512 takes about 0.1 s.
///
/// # Panics
/// If there are not rows x columns numbers.
pub fn singular_values(matrix: &[f64], rows: usize, columns: usize) -> Option<Vec<f64>> {
    assert_eq!(matrix.len(), rows * columns, "singular values: the matrix is not rows x columns");
    if !matrix.iter().all(|x| x.is_finite()) {
        return None;
    }
    // Tall or square from here on.
    let (mut a, m, n) = match rows >= columns {
        true => (matrix.to_vec(), rows, columns),
        false => {
            let mut turned = vec![0.0; rows * columns];
            for (i, row) in matrix.chunks_exact(columns).enumerate() {
                row.iter().enumerate().for_each(|(j, &x)| turned[j * rows + i] = x);
            }
            (turned, columns, rows)
        }
    };
    let (diagonal, above) = bidiagonal(&mut a, m, n);
    let mut off = Vec::with_capacity(2 * n);
    for (k, &d) in diagonal.iter().enumerate() {
        off.push(d);
        off.extend(above.get(k));
    }
    let mut values = eigenvalues(vec![0.0; 2 * n], off)?;
    values.sort_by(|x, y| y.total_cmp(x));
    values.truncate(n);
    values.iter_mut().for_each(|x| *x = x.max(0.0));
    Some(values)
}

/// A reflection I - scale v v^T that turns `x` into (value, 0, 0, ...); `x` becomes v.
fn reflect(x: &mut [f64]) -> (f64, f64) {
    let tail = dot(&x[1..], &x[1..]);
    // In a matrix of low rank what is left shrinks by eps at every step, until its square has no inverse.
    if tail < 1e-280 {
        return (x[0], 0.0);
    }
    let norm = (x[0] * x[0] + tail).sqrt();
    let value = if x[0] > 0.0 { -norm } else { norm };
    x[0] -= value;
    (value, 2.0 / (x[0] * x[0] + tail))
}

/// Diagonal and superdiagonal of the bidiagonal form of a tall [m, n] matrix, which is overwritten.
fn bidiagonal(a: &mut [f64], m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut above) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let mut left = vec![0.0; m];
    for k in 0..n {
        for i in k..m {
            left[i] = a[i * n + k];
        }
        let (value, scale) = reflect(&mut left[k..]);
        diagonal.push(value);
        if k + 1 == n {
            break;
        }
        // w = scale v^T A on the columns to the right.
        let mut w = vec![0.0; n - k - 1];
        for i in k..m {
            let v = scale * left[i];
            w.iter_mut().zip(&a[i * n + k + 1..(i + 1) * n]).for_each(|(w, x)| *w += v * x);
        }
        // Row k first: it says what the reflection from the right is. Then each row is read and written once for both.
        let mut right: Vec<f64> = a[k * n + k + 1..(k + 1) * n].iter().zip(&w).map(|(x, w)| x - left[k] * w).collect();
        let (value, scale) = reflect(&mut right);
        above.push(value);
        for i in k + 1..m {
            let row = &mut a[i * n + k + 1..(i + 1) * n];
            let v = left[i];
            row.iter_mut().zip(&w).for_each(|(x, w)| *x -= v * w);
            let u = scale * dot(row, &right);
            row.iter_mut().zip(&right).for_each(|(x, r)| *x -= u * r);
        }
    }
    (diagonal, above)
}

/// Eigenvalues of a symmetric tridiagonal matrix by QL with implicit shifts; `None` if a round does not end.
fn eigenvalues(mut d: Vec<f64>, mut e: Vec<f64>) -> Option<Vec<f64>> {
    let n = d.len();
    e.resize(n, 0.0);
    let largest = d.iter().chain(&e).fold(0.0f64, |most, x| most.max(x.abs()));
    let least = f64::EPSILON * largest;
    for l in 0..n {
        for round in 0.. {
            let m = (l..n - 1).find(|&m| e[m].abs() <= least).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if round == ROUNDS {
                return None;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    Some(d)
}

#[cfg(test)]
mod tests {
    use attractor::random::Philox;

    use super::*;

    fn close(got: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(got.len(), expected.len());
        for (a, b) in got.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance, "{got:?} {expected:?}");
        }
    }

    /// [[3, 0], [4, 5]]: A^T A = [[25, 20], [20, 25]] has 45 and 5.
    #[test]
    fn singular_values_by_hand() {
        close(&singular_values(&[3.0, 0.0, 4.0, 5.0], 2, 2).unwrap(), &[45f64.sqrt(), 5f64.sqrt()], 1e-14);
        close(&singular_values(&[0.0; 6], 2, 3).unwrap(), &[0.0, 0.0], 0.0);
        close(&singular_values(&[3.0, 4.0], 1, 2).unwrap(), &[5.0], 1e-15);
        close(&singular_values(&[-7.0], 1, 1).unwrap(), &[7.0], 1e-14);
        assert!(singular_values(&[], 0, 0).unwrap().is_empty());
        assert_eq!(singular_values(&[1.0, f64::NAN], 1, 2), None);
    }

    /// One value n c and zeros, whatever rounding leaves in their place.
    #[test]
    fn constant_matrices_have_one_value() {
        for n in 1..80 {
            let c = 1.0 / n as f64;
            let found = singular_values(&vec![f64::from(c as f32); n * n], n, n).unwrap();
            assert!((found[0] - n as f64 * f64::from(c as f32)).abs() < 1e-13, "{n}: {found:?}");
            assert!(found[1..].iter().all(|&x| x < 1e-13), "{n}: {found:?}");
        }
    }

    /// Planted values between two random rotations come back, small ones too, whichever side is longer.
    #[test]
    fn planted_values_come_back() {
        let (m, n) = (23, 17);
        let planted: Vec<f64> = (0..n).map(|k| if k < 14 { 3.0 * 0.25f64.powi(k as i32) } else { 0.0 }).collect();
        let mut random = Philox::new(5, 0);
        let mut a = vec![0.0; m * n];
        (0..n).for_each(|k| a[k * n + k] = planted[k]);
        let mut rotate = |a: &mut Vec<f64>, columns: bool, size: usize| {
            for _ in 0..200 {
                let (i, j) = (random.below(size), random.below(size));
                if i == j {
                    continue;
                }
                let (s, c) = (6.3 * random.uniform()).sin_cos();
                for k in 0..if columns { m } else { n } {
                    let (x, y) = if columns { (k * n + i, k * n + j) } else { (i * n + k, j * n + k) };
                    (a[x], a[y]) = (c * a[x] - s * a[y], s * a[x] + c * a[y]);
                }
            }
        };
        rotate(&mut a, false, m);
        rotate(&mut a, true, n);
        close(&singular_values(&a, m, n).unwrap(), &planted, 1e-14);
        let turned: Vec<f64> = (0..n * m).map(|at| a[(at % m) * n + at / m]).collect();
        close(&singular_values(&turned, n, m).unwrap(), &planted, 1e-14);
    }

    /// The lower triangle of ones: sigma_k = 1 / (2 sin((2 k - 1) pi / (4 n + 2))).
    #[test]
    fn the_triangle_of_ones_has_known_values() {
        let n = 61;
        let a: Vec<f64> = (0..n * n).map(|at| if at % n <= at / n { 1.0 } else { 0.0 }).collect();
        let expected: Vec<f64> =
            (1..=n).map(|k| 0.5 / ((2 * k - 1) as f64 * std::f64::consts::PI / (4 * n + 2) as f64).sin()).collect();
        close(&singular_values(&a, n, n).unwrap(), &expected, 1e-12);
    }
}
