//! What standard ablations cost, against the products that they are made of, in one run.
//!
//!     cargo build --release --workspace --example ablations
//!     target/release/examples/ablations CHECKPOINT [TOKENS] [INPUTS]
//!
//! Counts the floating-point operations of the ablations of an encoder, measures the speed of its largest product
//! on as many rows as an ablation takes at once, and prints time, bound and ratio. Inputs are random tokens.

use std::path::Path;
use std::time::Instant;

use attractor::random::Philox;
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_nn::evidence::{Ablate, Options, gather};
use attractor_nn::{Input, Model};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows that an ablation takes through the model at once.
const ROWS: usize = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: ablations CHECKPOINT [TOKENS] [INPUTS]")?;
    let tokens: usize = args.next().map_or(Ok(256), |x| x.parse())?;
    let inputs: usize = args.next().map_or(Ok(7), |x| x.parse())?;
    let checkpoint = Checkpoint::open(Path::new(&path), &Opening::default())?;
    let model = Model::load(&checkpoint)?;
    let spec = model.spec();
    let (layers, heads, width, inner) = (spec.layers, spec.heads, spec.hidden, spec.intermediate);
    let mut random = Philox::new(1, 0);
    let given: Vec<Input> =
        (0..inputs).map(|_| Input::tokens((0..tokens).map(|_| random.below(spec.vocab) as u32).collect())).collect();

    // A layer's first attention is shared by its variants: 7 modes of it, 3 of each head, and 7 of the whole model in layer 0.
    let of_row = |rows: f64, columns: f64| 2.0 * rows * columns;
    let (d, f, n) = (width as f64, inner as f64, tokens as f64);
    let attention = 3.0 * of_row(d, d) + 2.0 * of_row(n, d);
    let rest = of_row(d, d) + 2.0 * of_row(d, f);
    let flops: f64 = (0..layers)
        .map(|layer| {
            let variants = (7 + 3 * heads + if layer == 0 { 7 } else { 0 }) as f64;
            let behind = (layers - layer) as f64;
            variants * n * (behind * rest + (behind - 1.0) * attention)
        })
        .sum::<f64>()
        * inputs as f64;

    let device = Device::flex();
    let made = |rows: usize, columns: usize| -> Tensor<2> {
        let values: Vec<f32> = (0..rows * columns).map(|at| (at % 13) as f32 - 6.0).collect();
        Tensor::from_data(TensorData::new(values, [rows, columns]), &device)
    };
    let (x, w) = (made(ROWS, width), made(width, inner));
    let product = || {
        let start = Instant::now();
        let times = 50;
        for _ in 0..times {
            let y = x.clone().matmul(w.clone());
            assert_eq!(y.dims(), [ROWS, inner]);
        }
        times as f64 * 2.0 * (ROWS * width * inner) as f64 / start.elapsed().as_secs_f64()
    };
    product();
    let before = product();
    let run = |ablate: Ablate| -> Result<f64, Box<dyn std::error::Error>> {
        let start = Instant::now();
        let options = Options { ablate, gradients: false, ..Options::default() };
        let found = gather(&model, &given, &options, &attractor::Context::new(0))?;
        assert!(found.ablations.iter().all(|a| a.losses.len() == inputs));
        Ok(start.elapsed().as_secs_f64())
    };
    let seconds = run(Ablate::Standard)? - run(Ablate::None)?;
    let speed = (before + product()) / 2.0;
    println!("{layers} layers of {heads} heads, width {width}, {inputs} inputs of {tokens} tokens");
    println!("ablations:         {:.2} Tflop in {seconds:.1} s: {:.0} Gflop/s", flops / 1e12, flops / seconds / 1e9);
    println!("products alone:    {:.0} Gflop/s ([{ROWS} x {width}] x [{width} x {inner}])", speed / 1e9);
    println!("time / flop bound: {:.2}", seconds * speed / flops);
    Ok(())
}
