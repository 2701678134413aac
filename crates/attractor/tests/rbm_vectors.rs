//! Numbers recorded from scikit-learn 1.9.1: `BernoulliRBM` on the digits of `load_digits` above one half; tolerance 1e-4.

use attractor::sample::rbm::{Rbm, Rows, Visible};
use safetensors::SafeTensors;

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let data = tensors.tensor(name).unwrap();
    data.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// F(v) and p(h = 1 given v), each to the recorded tolerance, and the weights by scikit-learn's own layout too.
#[test]
fn free_energies_and_conditionals_are_those_of_scikit_learn() {
    let bytes = include_bytes!("vectors/sklearn_rbm.safetensors");
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let get = |name: &str| floats(&tensors, name);
    let (w, v) = (get("W"), get("v"));
    let rbm = Rbm::new(Visible::Binary, w.clone(), get("a"), get("b")).unwrap();
    let rows = Rows::new(&v, 64).unwrap();
    let free = rbm.free_energy(rows).unwrap();
    let expected = get("free_energy");
    assert_eq!((free.len(), expected.len()), (64, 64));
    for (got, expected) in free.iter().zip(&expected) {
        assert!((got - f64::from(*expected)).abs() <= 1e-4, "{got} {expected}");
    }
    let hidden = rbm.hidden_given(rows).unwrap();
    let expected = get("hidden_prob");
    assert_eq!((hidden.len(), expected.len()), (4096, 4096));
    assert!(hidden.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() <= 1e-4));
    let components: Vec<f32> = (0..64 * 64).map(|at| w[at % 64 * 64 + at / 64]).collect();
    assert_eq!(Rbm::from_scikit_learn(&components, &get("a"), &get("b")).unwrap(), rbm);
    assert!(Rbm::from_scikit_learn(&components[1..], &get("a"), &get("b")).unwrap_err().is_shape());
}
