//! A movement is the gradient of the exact likelihood, and centring makes it blind to the names of 0 and 1.

use super::super::{Rows, Visible, exact, likelihood, toy};
use super::*;

fn settings() -> Settings {
    Settings {
        weights: 1.0,
        visible: 1.0,
        hidden: 1.0,
        momentum: 0.0,
        weight_decay: 0.0,
        centring: None,
        sparsity: None,
        clip: None,
    }
}

/// Pairs from rows of u: model first, then data; hidden units from their conditionals.
fn pairs_of(rbm: &Rbm, data: &[f32], model: &[f32]) -> (Vec<f32>, Vec<f32>, Place, usize, usize) {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let (k, b) = (model.len() / n, data.len() / n);
    let stride = k + b;
    let all: Vec<f32> = model.iter().chain(data).copied().collect();
    let h = rbm.hidden_given(Rows::new(&all, n).unwrap()).unwrap();
    let visible = (0..n * stride).map(|at| rbm.statistic(at / stride, all[at % stride * n + at / stride]) as f32);
    let hidden = (0..m * stride).map(|at| {
        let p = h[at % stride * m + at / stride];
        if at % stride < k { -p * b as f32 / k as f32 } else { p }
    });
    (visible.collect(), hidden.collect(), Place::tight(stride), k, b)
}

fn apply(rbm: &mut Rbm, motion: &mut Motion, data: &[f32], model: &[f32], settings: Settings) -> Seen {
    let (visible, hidden, place, model, data) = pairs_of(rbm, data, model);
    motion.apply(rbm, &Pairs { visible: &visible, hidden: &hidden, place, model, data }, settings)
}

/// Mean ln p of data, exact.
fn objective(rbm: &Rbm, data: &[f32]) -> f64 {
    let log_z = exact::log_partition(rbm, &|_, _| {}).unwrap();
    likelihood::mean_log_likelihood(rbm, Rows::new(data, rbm.visible_units()).unwrap(), log_z).unwrap().value
}

/// d mean ln p / d parameter by central differences: weights, a, b one after the other.
fn differences(rbm: &Rbm, data: &[f32]) -> Vec<f64> {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let step = 1.0 / 256.0;
    (0..n * m + n + m)
        .map(|at| {
            let moved = |by: f32| {
                let mut moved = rbm.clone();
                let slot = if at < n * m {
                    &mut moved.weights[at]
                } else if at < n * m + n {
                    &mut moved.visible_bias[at - n * m]
                } else {
                    &mut moved.hidden_bias[at - n * m - n]
                };
                let before = *slot;
                *slot += by;
                let by = f64::from(*slot - before);
                (objective(&moved, data), by)
            };
            let ((up, a), (down, b)) = (moved(step), moved(-step));
            (up - down) / (a - b)
        })
        .collect()
}

/// With the model's states from the model itself (contrastive divergence of infinitely many steps), an update of rate 1
/// is the gradient of the likelihood: against finite differences, within five standard errors of the sampling.
#[test]
fn the_update_is_the_gradient_of_the_likelihood() {
    for start in [toy::machine(4, 3, 0.7, 5), toy::gaussian(3, 3, 6)] {
        let n = start.visible_units();
        let data = exact::sample(&toy::machine(n, 2, 1.0, 1), 10, 2).unwrap();
        let expected = differences(&start, &data);
        let count = 20_000;
        let model = exact::sample(&start, count, 3).unwrap();
        let mut rbm = start.clone();
        let mut motion = Motion::new(&rbm, vec![0.0; n], None);
        apply(&mut rbm, &mut motion, &data, &model, settings());
        let got = rbm.weights.iter().chain(&rbm.visible_bias).chain(&rbm.hidden_bias);
        let was = start.weights.iter().chain(&start.visible_bias).chain(&start.hidden_bias);
        for (at, ((got, was), expected)) in got.zip(was).zip(&expected).enumerate() {
            let got = f64::from(got - was);
            // States of 0 and 1 have deviations up to 1/2, u = v / s^2 of the Gaussian units here up to 2.
            let deviation = if start.visible == Visible::Binary { 0.5 } else { 2.0 };
            assert!((got - expected).abs() < 5.0 * deviation / (count as f64).sqrt(), "{at}: {got} {expected}");
        }
    }
}

/// The finite differences themselves, sharp: against <u h>, <u>, <h> of the data minus those of the enumerated model.
#[test]
fn finite_differences_are_differences_of_enumerated_moments() {
    let rbm = toy::machine(4, 3, 0.7, 5);
    let data = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    let (n, m) = (4, 3);
    let moments = |rows: &[f32], weights: &[f64]| {
        let h = rbm.hidden_given(Rows::new(rows, n).unwrap()).unwrap();
        let mut sums = vec![0.0; n * m + n + m];
        for (row, weight) in weights.iter().enumerate() {
            for i in 0..n {
                let v = weight * f64::from(rows[row * n + i]);
                (0..m).for_each(|j| sums[i * m + j] += v * f64::from(h[row * m + j]));
                sums[n * m + i] += v;
            }
            (0..m).for_each(|j| sums[n * m + n + j] += weight * f64::from(h[row * m + j]));
        }
        sums
    };
    let all = toy::states(n).concat();
    let log_z = exact::log_partition(&rbm, &|_, _| {}).unwrap();
    let p = likelihood::log_likelihood(&rbm, Rows::new(&all, n).unwrap(), log_z).unwrap();
    let model = moments(&all, &p.iter().map(|p| p.exp()).collect::<Vec<_>>());
    let data_moments = moments(&data, &[0.5, 0.5]);
    for ((got, d), m) in differences(&rbm, &data).iter().zip(&data_moments).zip(&model) {
        assert!((got - (d - m)).abs() < 2e-5, "{got} {}", d - m);
    }
}

/// The machine that gives flipped data the probability of the data themselves.
fn flip(rbm: &Rbm, visible: &[usize], hidden: &[usize]) -> Rbm {
    let mut flipped = rbm.clone();
    let m = rbm.hidden_units();
    for &i in visible {
        for j in 0..m {
            flipped.hidden_bias[j] += flipped.weights[i * m + j];
            flipped.weights[i * m + j] *= -1.0;
        }
        flipped.visible_bias[i] *= -1.0;
    }
    for &j in hidden {
        for i in 0..rbm.visible_units() {
            flipped.visible_bias[i] += flipped.weights[i * m + j];
            flipped.weights[i * m + j] *= -1.0;
        }
        flipped.hidden_bias[j] *= -1.0;
    }
    flipped
}

fn flip_rows(rows: &[f32], n: usize, visible: &[usize]) -> Vec<f32> {
    rows.iter().enumerate().map(|(at, &x)| if visible.contains(&(at % n)) { 1.0 - x } else { x }).collect()
}

/// Twenty updates with momentum, weight decay, unequal rates and clipping, the model's states by mean-field
/// reconstruction: training flipped data from the flipped machine is training and then flipping. Plain gradients are not so.
#[test]
fn centred_training_does_not_know_which_state_is_called_one() {
    let (n, m) = (7, 5);
    let (visible, hidden) = ([1, 2, 6], [0, 3]);
    let start = toy::machine(n, m, 0.4, 8);
    let data = exact::sample(&toy::machine(n, 3, 1.5, 4), 12, 1).unwrap();
    let reconstruct = |rbm: &Rbm, rows: &[f32]| {
        let h = rbm.hidden_given(Rows::new(rows, n).unwrap()).unwrap();
        rbm.visible_given(Rows::new(&h, m).unwrap()).unwrap()
    };
    let train = |mut rbm: Rbm, data: &[f32], settings: Settings| {
        let means = Rows::new(data, n).unwrap().means().into_iter().map(|x| x as f32).collect();
        let mut motion = Motion::new(&rbm, means, None);
        if settings.centring.is_none() {
            motion.visible_offset.fill(0.0);
        }
        for _ in 0..20 {
            let model = reconstruct(&rbm, data);
            apply(&mut rbm, &mut motion, data, &model, settings);
        }
        rbm
    };
    let apart = |settings: Settings| {
        let trained = train(start.clone(), &data, settings);
        let other = train(flip(&start, &visible, &hidden), &flip_rows(&data, n, &visible), settings);
        let back = flip(&trained, &visible, &hidden);
        let pairs = back.weights.iter().chain(&back.visible_bias).chain(&back.hidden_bias);
        let others = other.weights.iter().chain(&other.visible_bias).chain(&other.hidden_bias);
        let moved = trained.weights.iter().zip(&start.weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        (pairs.zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max), moved)
    };
    let centred = Settings {
        weights: 0.3,
        visible: 0.2,
        hidden: 0.1,
        momentum: 0.7,
        weight_decay: 0.02,
        centring: Some(0.05),
        ..settings()
    };
    for settings in [centred, Settings { clip: Some(0.5), ..centred }] {
        let (apart, moved) = apart(settings);
        assert!(apart < 2e-5 && moved > 0.1, "{apart} {moved}");
    }
    let (apart, _) = apart(Settings { centring: None, ..centred });
    assert!(apart > 0.05, "{apart}");
}

/// A gradient that is longer than allowed keeps its direction; a shorter one is left alone.
#[test]
fn clipping_scales_the_gradient_and_keeps_its_direction() {
    let start = toy::machine(5, 4, 0.5, 2);
    let data = exact::sample(&toy::machine(5, 2, 1.0, 3), 6, 3).unwrap();
    let model = exact::sample(&start, 9, 4).unwrap();
    for centring in [None, Some(0.1)] {
        let run = |clip: Option<f32>| {
            let mut rbm = start.clone();
            let mut motion = Motion::new(&rbm, vec![0.4; 5], None);
            let seen = apply(&mut rbm, &mut motion, &data, &model, Settings { clip, centring, ..settings() });
            (motion, seen)
        };
        let (free, _) = run(None);
        let (loose, seen) = run(Some(100.0));
        let all = |m: &Motion| m.weights.iter().chain(&m.visible).chain(&m.hidden).copied().collect::<Vec<f32>>();
        let norm = all(&free).iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!((seen.norm.unwrap() - norm).abs() < 1e-5 && norm > 0.2);
        assert!(all(&free).iter().zip(all(&loose)).all(|(a, b)| (a - b).abs() < 1e-6));
        let (tight, _) = run(Some(0.1));
        let scale = 0.1 / norm as f32;
        assert!(all(&free).iter().zip(all(&tight)).all(|(a, b)| (a * scale - b).abs() < 1e-6));
    }
}

/// The sparsity pull alone: cost x (target - sliding mean), on hidden biases only.
#[test]
fn sparsity_pulls_on_hidden_biases() {
    let start = Rbm::new(Visible::Binary, vec![0.0; 4], vec![0.0; 2], vec![0.0; 2]).unwrap();
    let sparsity = Sparsity { target: 0.1, cost: 2.0, memory: 0.75 };
    let mut rbm = start.clone();
    let mut motion = Motion::new(&rbm, vec![0.5; 2], Some(sparsity));
    let rows = [0.0, 1.0];
    apply(&mut rbm, &mut motion, &rows, &rows, Settings { sparsity: Some(sparsity), ..settings() });
    // q = 0.75 x 0.1 + 0.25 x 0.5 = 0.2.
    assert!(rbm.hidden_bias.iter().all(|b| (b + 0.2).abs() < 1e-6), "{:?}", rbm.hidden_bias);
    assert!(rbm.weights.iter().chain(&rbm.visible_bias).all(|&x| x == 0.0));
}
