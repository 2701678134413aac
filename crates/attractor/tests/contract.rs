//! The energy contract, held against every memory: what is said to descend does, and what is not has a state from which it
//! rises.

use attractor::energy::{
    Couplings, DenseMemory, Descends, DescentCondition, Energy, ExponentialMemory, Hebb, Interaction, Modern,
    SimplexMap, SpinMemory, Updating, Weights, problems,
};
use attractor::learn::{Margin, Rule};
use attractor::pattern::{RealPatterns, Spins, StoredPatterns};
use attractor::random::Philox;
use attractor::settle::{Order, asynchronous, synchronous};

const UNITS: usize = 24;

fn patterns(count: usize) -> StoredPatterns {
    StoredPatterns::random(UNITS, count, &mut Philox::new(3, count as u64)).unwrap()
}

/// The largest rise of the energy in a sweep, over starts.
fn rise<M: SpinMemory>(memory: &M, updating: Updating) -> f64 {
    let mut random = Philox::new(9, 0);
    let mut most = f64::NEG_INFINITY;
    for stream in 0..300 {
        let start = Spins::random(memory.units(), &mut random);
        let settled = match updating {
            Updating::Asynchronous => asynchronous(memory, &start, Order::Random { seed: 1, stream }, 30),
            Updating::Synchronous => synchronous(memory, &start, 30),
        };
        let energies = settled.unwrap().energies;
        most = energies.windows(2).map(|e| e[1] - e[0]).fold(most, f64::max);
    }
    most
}

/// Rounding of energies of the order of ten.
const ROUNDING: f64 = 1e-12;

fn hold<M: SpinMemory>(name: &str, memory: &M) {
    for updating in [Updating::Asynchronous, Updating::Synchronous] {
        let (said, rise) = (memory.descends(updating), rise(memory, updating));
        match said {
            Descends::Exact => assert!(rise <= ROUNDING, "{name}, {updating:?}: rose by {rise}"),
            Descends::None(_) => assert!(rise > 1e-6, "{name}, {updating:?}: {said:?} and never rose"),
            Descends::Conditional(condition) => panic!("{name}, {updating:?}: {condition}: is tested by itself"),
        }
    }
}

#[test]
fn recall_of_spins_goes_downhill_and_keeps_what_is_stored() {
    hold("Hebb", &Hebb::new(patterns(20)));
    hold("cubic", &DenseMemory::new(patterns(12), Interaction::Polynomial { degree: 3 }).unwrap());
    hold("exponential", &ExponentialMemory::new(patterns(40), 0.3).unwrap());
    hold("Storkey", &Rule::Storkey.learn(&patterns(6)).unwrap().weights);
    let perceptron = Rule::Perceptron { margin: Margin::Stability(0.5), symmetric: false, epochs: 50 };
    hold("perceptron, not symmetric", &perceptron.learn(&patterns(20)).unwrap().weights);
    let glass: Couplings = problems::sherrington_kirkpatrick(UNITS, &mut Philox::new(5, 0)).unwrap();
    hold("spin glass", &glass);
}

/// The projection with its diagonal has eigenvalues of 0 and 1, so it descends also when all units move at once; the same
/// diagonal under weights of a glass has negative ones, and rises.
#[test]
fn the_condition_of_a_diagonal_is_the_one_that_is_named() {
    let projection = Rule::PseudoInverse { diagonal: true }.learn(&patterns(8)).unwrap().weights;
    let mut values: Vec<f64> = Rule::Hebb.learn(&patterns(20)).unwrap().weights.values().iter().map(|w| -w).collect();
    (0..UNITS).for_each(|i| values[i * (UNITS + 1)] = 0.1);
    let indefinite = Weights::with_diagonal(UNITS, values).unwrap();
    for (memory, rises) in [(&projection, false), (&indefinite, true)] {
        assert_eq!(memory.descends(Updating::Asynchronous), Descends::Exact);
        assert!(rise(memory, Updating::Asynchronous) <= ROUNDING);
        let Descends::Conditional(condition) = memory.descends(Updating::Synchronous) else {
            panic!("{:?}", memory.descends(Updating::Synchronous))
        };
        assert_eq!(condition, DescentCondition::NoNegativeEigenvalue);
        let rise = rise(memory, Updating::Synchronous);
        assert_eq!(rise > ROUNDING, rises, "rose by {rise}");
    }
}

/// A modern memory by the same contract, for steps inside and outside of (0, 2).
#[test]
fn modern_steps_descend_exactly_for_dampings_in_0_to_2() {
    let mut random = Philox::new(2, 0);
    let numbers = (0..5 * 3).map(|_| random.normal()).collect();
    let patterns = RealPatterns::new(5, 3, numbers).unwrap();
    let separators = [SimplexMap::Softmax, SimplexMap::Sparsemax, SimplexMap::Entmax15];
    let dampings = [(0.3, true), (1.0, true), (1.9, true), (2.5, false)];
    for (simplex_map, (damping, descends)) in separators.into_iter().flat_map(|s| dampings.map(|d| (s, d))) {
        let memory = Modern::new(patterns.clone(), 2.0, simplex_map).unwrap();
        assert_eq!(memory.descends(damping) == Descends::Exact, descends);
        let mut most = f64::NEG_INFINITY;
        for _ in 0..100 {
            let z: Vec<f64> = (0..3).map(|_| 2.0 * random.normal()).collect();
            let moved: Vec<f64> = z.iter().zip(memory.gradient(&z)).map(|(z, g)| z - damping * g).collect();
            most = most.max(memory.energy(&moved) - memory.energy(&z));
        }
        assert_eq!(most <= ROUNDING, descends, "{damping}: rose by {most}");
    }
}
