//! Where a head is ablated: at its own output, before W_O mixes the heads; and whose maps stand for it.

use attractor::Context;
use attractor_record::evidence::{AblationMode, Scope};

use super::tests::{input, model, taps, worst};
use super::{Options, gather};
use crate::model::{Input, Overrides, Replacement, TokenRow};
use crate::ops;

/// y = W_O z + b, with the numbers of head `zeroed` set to zero in z, or in y (which is the mistake). `z` is [heads, positions,
/// width], `weight` [heads x width, features].
fn projected(
    z: &[f32],
    weight: &[f32],
    bias: &[f32],
    (heads, n): (usize, usize),
    zeroed: usize,
    mistaken: bool,
) -> Vec<f32> {
    let width = z.len() / (heads * n);
    let features = weight.len() / (heads * width);
    let mut output = vec![0.0; n * features];
    for position in 0..n {
        for feature in 0..features {
            let mut sum = f64::from(bias[feature]);
            for head in (0..heads).filter(|&head| mistaken || head != zeroed) {
                for at in 0..width {
                    let z = f64::from(z[(head * n + position) * width + at]);
                    sum += z * f64::from(weight[(head * width + at) * features + feature]);
                }
            }
            let cut = mistaken && (zeroed * width..(zeroed + 1) * width).contains(&feature);
            output[position * features + feature] = if cut { 0.0 } else { sum as f32 };
        }
    }
    output
}

#[test]
fn zero_ablation_is_of_the_heads_output_before_the_projection_mixes_heads() {
    for kind in ["gpt2_tiny", "llama_gqa_tiny", "bert_tiny"] {
        let model = model(kind);
        let input = input(&model, 11, 7);
        let (layer, head) = (0, 1);
        let seen = taps(&model, &input);
        let block = &model.blocks()[layer];
        let (heads, n) = (block.heads, seen.taps[layer].positions);
        let x = ops::tensor(seen.inputs[layer].clone(), [n, model.spec().hidden]);
        let z = seen.taps[layer].z.clone();
        let weight = ops::values(block.output.weight.clone());
        let bias = block.output.bias.clone().map_or(vec![0.0; model.spec().hidden], ops::values);
        let after = |mistaken: bool| {
            let y = projected(&z, &weight, &bias, (heads, n), head, mistaken);
            ops::values(block.finish(x.clone(), ops::tensor(y, [n, model.spec().hidden])))
        };
        let overrides = Overrides::one(Scope::Head { layer, head }, Replacement::Zero);
        let mut ablated = super::tests::Taps::default();
        model.encode(&input, &mut ablated, &overrides).unwrap();
        let next = &ablated.inputs[layer + 1];
        assert!(worst(next, &after(false)) < 1e-5, "{kind}: {}", worst(next, &after(false)));
        assert!(worst(next, &after(true)) > 1e-2, "{kind}: the test does not tell the mistake");
    }
}

#[test]
fn mean_maps_of_padded_rows_are_those_of_the_rows_alone() {
    let model = model("gpt2_tiny");
    let ids = |length: usize, stream: u64| match input(&model, length, stream) {
        Input::Text(row) => row.ids,
        Input::Image { .. } => unreachable!("a language model"),
    };
    let alone = |row: &[u32]| Input::tokens(row.to_vec());
    let padded = |row: &[u32], to: usize| {
        let filled: Vec<u32> = row.iter().copied().chain(std::iter::repeat_n(3, to - row.len())).collect();
        Input::Text(TokenRow { ids: filled, padding: (0..to).map(|at| at >= row.len()).collect(), types: Vec::new() })
    };
    // Two texts of 8 tokens, padded to 12, beside one of 12.
    let (a, b, whole) = (ids(8, 1), ids(8, 2), ids(12, 3));
    let losses = |inputs: &[Input]| {
        let evidence = gather(&model, inputs, &Options::default(), &Context::new(0)).unwrap();
        let own = |mode: AblationMode| {
            let of = |ablation: &&attractor_record::evidence::Ablation| {
                ablation.mode == mode && ablation.scope == Scope::Head { layer: 0, head: 0 }
            };
            evidence.ablations.iter().find(of).unwrap().losses.clone()
        };
        (own(AblationMode::MeanMap), own(AblationMode::Zero))
    };
    let (mean, zero) = losses(&[alone(&a), alone(&b)]);
    let (batched_mean, batched_zero) = losses(&[padded(&a, 12), alone(&whole), padded(&b, 12)]);
    for (alone, batched) in [(0, 0), (1, 2)] {
        let differ = |x: Option<f64>, y: Option<f64>| (x.unwrap() - y.unwrap()).abs();
        assert!(differ(mean[alone], batched_mean[batched]) < 1e-5, "{mean:?} {batched_mean:?}");
        assert!(differ(zero[alone], batched_zero[batched]) < 1e-5, "{zero:?} {batched_zero:?}");
    }
    // Nobody lends it a map: the others' last positions are padding.
    assert_eq!(batched_mean[1], None);
    assert!(batched_zero[1].is_some());
}
