//! Both storages are the definition, and what is no coupling is refused.

use super::*;
use crate::energy::SpinWalk;
use crate::random::Philox;

fn random_pair(units: usize, random: &mut Philox) -> (Couplings, Couplings) {
    let mut matrix = vec![0.0; units * units];
    let mut edges = Vec::new();
    for i in 0..units {
        for j in 0..i {
            if random.uniform() < 0.6 {
                let weight = random.normal();
                matrix[i * units + j] = weight;
                matrix[j * units + i] = weight;
                // Either direction names the pair.
                edges.push(if random.uniform() < 0.5 { (i, j, weight) } else { (j, i, weight) });
            }
        }
    }
    let biases: Vec<f64> = (0..units).map(|_| random.normal()).collect();
    let sparse = Couplings::sparse(units, &edges).unwrap().with_biases(biases.clone()).unwrap();
    (sparse, Couplings::dense(units, &matrix).unwrap().with_biases(biases).unwrap())
}

/// The definition by a double sum, both storages, before and after flips.
#[test]
fn fields_kept_are_fields_computed() {
    let mut random = Philox::new(11, 0);
    for units in [1, 2, 7, 23] {
        let (sparse, dense) = random_pair(units, &mut random);
        for i in 0..units {
            assert!((0..units).all(|j| sparse.weight(i, j) == dense.weight(i, j)));
        }
        assert!(sparse.edges().eq(dense.edges()));
        for couplings in [&sparse, &dense] {
            let mut walk = couplings.walk(&Spins::random(units, &mut random));
            for step in 0..40 {
                let x: Vec<f64> = walk.state().to_signs().into_iter().map(f64::from).collect();
                let field =
                    |i: usize| (0..units).map(|j| couplings.weight(i, j) * x[j]).sum::<f64>() + couplings.biases()[i];
                let pairs: f64 = (0..units)
                    .flat_map(|i| (0..units).map(move |j| (i, j)))
                    .map(|(i, j)| couplings.weight(i, j) * x[i] * x[j])
                    .sum();
                let energy = -pairs / 2.0 - (0..units).map(|i| couplings.biases()[i] * x[i]).sum::<f64>();
                assert!((walk.energy() - energy).abs() < 1e-11, "{units} step {step}");
                assert!((0..units).all(|i| (walk.field(i) - field(i)).abs() < 1e-11));
                walk.flip(random.below(units));
            }
            let kept = (walk.energy(), walk.fields().to_vec());
            walk.recompute();
            assert!((walk.energy() - kept.0).abs() < 1e-11);
            assert!(walk.fields().iter().zip(&kept.1).all(|(a, b)| (a - b).abs() < 1e-11));
        }
    }
}

#[test]
fn no_update_raises_the_energy() {
    let mut random = Philox::new(12, 0);
    let (sparse, dense) = random_pair(31, &mut random);
    for couplings in [sparse, dense] {
        assert_eq!(couplings.descends(Updating::Asynchronous), Descends::Exact);
        let mut walk = couplings.walk(&Spins::random(31, &mut random));
        for _ in 0..500 {
            let before = walk.energy();
            let turned = walk.update_site(random.below(31));
            assert!(if turned { walk.energy() < before } else { walk.energy() == before });
        }
    }
}

/// All states of six units: bits and their spins differ by the constant, and the fields by the factor of two.
#[test]
fn bits_are_spins_with_half_the_field() {
    let mut random = Philox::new(13, 0);
    let edges: Vec<_> =
        (0..6).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| (i, j, random.normal())).collect();
    let biases: Vec<f64> = (0..6).map(|_| random.normal()).collect();
    let (spins, offset) = Couplings::of_bits(6, &edges, &biases).unwrap();
    for state in 0..64u64 {
        let v = |i: usize| (state >> i & 1) as f64;
        let energy = -edges.iter().map(|&(i, j, w)| w * v(i) * v(j)).sum::<f64>()
            - (0..6).map(|i| biases[i] * v(i)).sum::<f64>();
        let walk = spins.walk(&Spins::from_words(6, &[state]));
        assert!((walk.energy() + offset - energy).abs() < 1e-12);
        let field: f64 =
            biases[2] + edges.iter().filter(|e| e.0 == 2 || e.1 == 2).map(|&(i, j, w)| w * v(i + j - 2)).sum::<f64>();
        assert!((2.0 * walk.field(2) - field).abs() < 1e-12);
    }
}

/// A matrix with an antisymmetric part and a diagonal: the energy is its own, up to the constant that is told.
#[test]
fn symmetrising_keeps_the_energy_and_tells_what_is_lost() {
    let mut random = Philox::new(14, 0);
    let matrix: Vec<f64> = (0..25).map(|_| random.normal()).collect();
    let (couplings, lost) = Couplings::symmetrised(5, &matrix).unwrap();
    for state in 0..32u64 {
        let state = Spins::from_words(5, &[state]);
        let x = state.to_signs();
        let own: f64 = (0..25).map(|at| matrix[at] * f64::from(x[at / 5]) * f64::from(x[at % 5])).sum();
        assert!((couplings.energy(&state) - lost.diagonal + own / 2.0).abs() < 1e-12);
    }
    let (_, of_rotation) = Couplings::symmetrised(2, &[0.0, 1.5, -1.5, 0.0]).unwrap();
    assert_eq!(of_rotation, Lost { asymmetry: 1.5, share: 1.0, diagonal: 0.0 });
    let error = Couplings::dense(2, &[0.0, 1.5, 1.25, 0.0]).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("J[1, 0] = 1.25, J[0, 1] = 1.5"), "{error}");
}

#[test]
fn invalid_couplings_are_refused() {
    type Edges<'a> = &'a [(usize, usize, f64)];
    let value: [(Edges<'_>, &str); 4] = [
        (&[(1, 1, 1.0)], "with itself"),
        (&[(0, 1, 1.0), (1, 0, 2.0)], "pair (0, 1) is given twice"),
        (&[(0, 2, f64::NAN)], "weighs NaN"),
        (&[(0, 2, f64::INFINITY)], "weighs inf"),
    ];
    for (edges, says) in value {
        let error = Couplings::sparse(3, edges).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(says), "{error}");
    }
    assert!(Couplings::sparse(3, &[(0, 3, 1.0)]).unwrap_err().is_shape());
    assert!(Couplings::sparse(0, &[]).unwrap_err().is_shape());
    assert!(Couplings::dense(2, &[0.0; 3]).unwrap_err().is_shape());
    assert!(Couplings::dense(usize::MAX, &[]).unwrap_err().is_shape());
    assert!(Couplings::dense(2, &[0.0, f64::NAN, 0.0, 0.0]).unwrap_err().is_usage());
    assert!(Couplings::dense(1, &[2.0]).unwrap_err().to_string().contains("diagonal is 2 at unit 0"));
    let two = Couplings::sparse(2, &[(0, 1, 1.0)]).unwrap();
    assert!(two.clone().with_biases(vec![0.0]).unwrap_err().is_shape());
    assert!(two.with_biases(vec![0.0, f64::NAN]).unwrap_err().is_usage());
    assert!(Couplings::of_bits(2, &[(0, 1, 1.0)], &[0.0]).unwrap_err().is_shape());
}
