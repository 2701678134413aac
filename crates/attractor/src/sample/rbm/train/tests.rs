//! Training: the same on any number of threads, taken up again, and what it learns.

use super::super::{Decay, Rates, Sparsity, Visible, exact, likelihood, toy};
use super::*;

fn samplers() -> [Sampler; 3] {
    [
        Sampler::Contrastive { steps: 2 },
        Sampler::Persistent { steps: 1, chains: 7 },
        Sampler::Tempering { steps: 1, chains: 5, betas: vec![0.0, 0.3, 0.6, 1.0] },
    ]
}

fn updates(trainer: &mut Trainer, data: Rows<'_>, count: usize) {
    for _ in 0..count {
        trainer.next(data).unwrap();
    }
}

fn plan(sampler: Sampler) -> Plan {
    Plan {
        batch: 8,
        sampler,
        rates: Rates { weights: 0.1, visible: 0.05, hidden: 0.02 },
        warm_up: 3,
        decay: Decay::Inverse { half: 50 },
        momentum: 0.5,
        weight_decay: 1e-3,
        sparsity: Some(Sparsity { target: 0.3, cost: 0.1, memory: 0.9 }),
        ..Plan::new(0xdead_beef_0042)
    }
}

/// A machine and data wide enough that the products are cut in several blocks.
fn large() -> (Rbm, Vec<f32>) {
    let truth = toy::machine(150, 8, 0.5, 1);
    let data = exact::sample(&truth, 60, 1).unwrap();
    let rbm = Rbm::initial(Visible::Binary, 140, Rows::new(&data, 150).unwrap(), 3).unwrap();
    (rbm, data)
}

/// Bit for bit, for one thread and three, with products large enough to be cut.
#[test]
fn training_is_the_same_on_any_number_of_threads() {
    let (rbm, data) = large();
    let data = Rows::new(&data, 150).unwrap();
    for sampler in samplers() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let plan = Plan { batch: 60, ..plan(sampler.clone()) };
            let mut trainer = Trainer::new(rbm.clone(), plan, data).unwrap();
            pool.install(|| (0..4).for_each(|_| drop(trainer.epoch(data).unwrap())));
            trainer.state()
        };
        let one = run(1);
        assert!(one == run(3), "{sampler:?}");
        assert!(one.floats["weights"].1.iter().zip(rbm.weights()).any(|(a, b)| a != b));
    }
}

/// Taken out in the middle of an epoch and put into a fresh trainer, on the way to the same bits.
#[test]
fn a_resumed_training_equals_an_uninterrupted_one() {
    let data = toy::bars_and_stripes(3);
    let data = Rows::new(&data, 9).unwrap();
    for clip in [None, Some(0.2)] {
        for sampler in samplers() {
            let start = Rbm::initial(Visible::Binary, 6, data, 2).unwrap();
            let plan = Plan { batch: 4, clip, ..plan(sampler) };
            let mut whole = Trainer::new(start.clone(), plan.clone(), data).unwrap();
            let mut first = whole.clone();
            updates(&mut whole, data, 25);
            // 14 rows in batches of 4: the tenth update is the second of the third epoch.
            updates(&mut first, data, 10);
            let state = first.state();
            assert_eq!((state.integers["epochs"][0], state.integers["step"][0]), (2, 2));
            let mut second = Trainer::new(start, plan, data).unwrap();
            second.restore(&state).unwrap();
            assert!(second.state() == state);
            updates(&mut second, data, 15);
            assert!(whole.state() == second.state());
        }
    }
}

/// Every sampler raises the exact likelihood of bars and stripes well above that of independent pixels.
#[test]
fn training_learns() {
    let data = toy::bars_and_stripes(3);
    let data = Rows::new(&data, 9).unwrap();
    for sampler in samplers() {
        let start = Rbm::initial(Visible::Binary, 8, data, 2).unwrap();
        let plan = Plan { batch: 14, sampler, rates: Rates::all(0.1), ..Plan::new(5) };
        let mut trainer = Trainer::new(start, plan, data).unwrap();
        for _ in 0..1500 {
            trainer.epoch(data).unwrap();
        }
        let log_z = exact::log_partition(trainer.rbm(), &|_, _| {}).unwrap();
        let got = likelihood::mean_log_likelihood(trainer.rbm(), data, log_z).unwrap().value;
        // More than half of the way from independent fair pixels, -6.24, to the best there is, -ln 14 = -2.64.
        assert!(got > -4.44 && got < -2.6390, "{:?}: {got}", trainer.plan().sampler);
    }
}

/// Two clusters of real numbers: the trained density beats one normal distribution for all.
#[test]
fn gaussian_units_learn_clusters() {
    let mut random = Philox::new(4, 0);
    let data: Vec<f32> = (0..200)
        .flat_map(|row| {
            let centre = if row % 2 == 0 { 1.5 } else { -1.5 };
            [centre + 0.5 * random.normal() as f32, centre + 0.5 * random.normal() as f32]
        })
        .collect();
    let data = Rows::new(&data, 2).unwrap();
    let start = Rbm::initial(Visible::Gaussian { variance: vec![0.25; 2] }, 2, data, 1).unwrap();
    let value = |rbm: &Rbm| {
        let log_z = exact::log_partition(rbm, &|_, _| {}).unwrap();
        likelihood::mean_log_likelihood(rbm, data, log_z).unwrap().value
    };
    let plan = Plan { batch: 50, rates: Rates::all(0.02), ..Plan::new(7) };
    let mut trainer = Trainer::new(start.clone(), plan, data).unwrap();
    (0..200).for_each(|_| drop(trainer.epoch(data).unwrap()));
    // One normal distribution with the data's covariance: -ln(2 pi e sqrt det) = about -2.9; the truth about -2.1.
    let got = value(trainer.rbm());
    assert!(got > -2.4 && value(&start) < -5.0, "{got} {}", value(&start));
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let data = toy::bars_and_stripes(2);
    let data = Rows::new(&data, 4).unwrap();
    let rbm = Rbm::initial(Visible::Binary, 3, data, 2).unwrap();
    let new = |plan| Trainer::new(rbm.clone(), plan, data);
    assert!(new(Plan { batch: 0, ..Plan::new(1) }).unwrap_err().is_usage());
    let mut trainer = new(Plan { batch: 4, ..Plan::new(1) }).unwrap();
    assert!(trainer.update(data).unwrap_err().is_shape());
    let other = Rows::new(&[0.0, 1.0, 0.0, 0.0], 4).unwrap();
    trainer.next(data).unwrap();
    assert!(trainer.next(other).unwrap_err().is_shape());
    let empty = Rows::new(&[], 4).unwrap();
    assert!(Trainer::new(rbm.clone(), Plan::new(1), empty).unwrap_err().is_shape());
    // Rates beyond reason leave the numbers, and it is said.
    let mut wild = new(Plan { rates: Rates::all(f32::MAX), ..Plan::new(1) }).unwrap();
    let error = (0..20).find_map(|_| wild.epoch(data).err()).unwrap();
    assert!(error.is_usage() && error.to_string().contains("finite"), "{error}");
}

#[test]
fn states_that_do_not_fit_are_refused_and_change_nothing() {
    let data = toy::bars_and_stripes(2);
    let data = Rows::new(&data, 4).unwrap();
    let rbm = Rbm::initial(Visible::Binary, 3, data, 2).unwrap();
    let sampler = samplers()[2].clone();
    let mut trainer = Trainer::new(rbm, Plan { batch: 4, sampler, ..Plan::new(1) }, data).unwrap();
    trainer.next(data).unwrap();
    let good = trainer.state();
    let spoiled = |spoil: &dyn Fn(&mut State)| {
        let mut state = good.clone();
        spoil(&mut state);
        state
    };
    for bad in [
        spoiled(&|s| drop(s.floats.remove("weights"))),
        spoiled(&|s| drop(s.floats.insert("more".into(), (vec![0], vec![])))),
        spoiled(&|s| s.floats.get_mut("weights").unwrap().0 = vec![3, 4]),
        spoiled(&|s| s.floats.get_mut("weights").unwrap().1.truncate(11)),
        spoiled(&|s| s.floats.get_mut("weights").unwrap().1[0] = f32::NAN),
        spoiled(&|s| s.integers.get_mut("chains.slots").unwrap()[0] = 1),
        spoiled(&|s| s.integers.get_mut("chains.tried").unwrap().truncate(2)),
        spoiled(&|s| s.integers.get_mut("seed").unwrap()[0] = 9),
        spoiled(&|s| s.integers.get_mut("epoch_rows").unwrap()[0] = u64::MAX),
        spoiled(&|s| s.integers.get_mut("step").unwrap()[0] = u64::MAX),
        spoiled(&|s| s.integers.get_mut("step").unwrap()[0] = 0),
    ] {
        assert!(trainer.restore(&bad).is_err());
        assert!(trainer.state() == good);
    }
    trainer.restore(&good).unwrap();
}
