//! AdamW on the model's parameters.

use rayon::prelude::*;

use crate::model::Model;
use crate::ops;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-9;

/// First and second moments of every parameter tensor, in the order of the model's parameters.
///
/// # Source
/// Loshchilov and Hutter 2019, *Decoupled weight decay regularization*, arXiv 1711.05101.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AdamW {
    pub first: Vec<Vec<f32>>,
    pub second: Vec<Vec<f32>>,
    decay: f64,
}

impl AdamW {
    pub(super) fn new(model: &mut Model, decay: f64) -> Self {
        let zeros: Vec<Vec<f32>> = model.parameters().iter().map(|p| vec![0.0; p.len()]).collect();
        Self { first: zeros.clone(), second: zeros, decay }
    }

    /// TrainingStep number `step`, from 1.
    pub(super) fn step(&mut self, model: &mut Model, gradients: &[Option<Vec<f32>>], rate: f64, step: usize) {
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let scale_1 = 1.0 / (1.0 - BETA_1.powi(power));
        let scale_2 = 1.0 / (1.0 - BETA_2.powi(power));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, gradient), (first, second)) in model.parameters().into_iter().zip(gradients).zip(moments) {
            let Some(gradient) = gradient else { continue };
            let shape = parameter.tensor.dims();
            let keep = if shape[0] > 1 { (1.0 - rate * self.decay) as f32 } else { 1.0 };
            let mut values = ops::values(parameter.tensor.clone());
            let (b1, b2) = (BETA_1 as f32, BETA_2 as f32);
            let (rate_1, scale_2, epsilon) = ((rate * scale_1) as f32, scale_2 as f32, EPSILON as f32);
            let moments = first.par_iter_mut().zip(second.par_iter_mut());
            values.par_iter_mut().zip(gradient).zip(moments).with_min_len(1 << 13).for_each(|((x, &g), (m, v))| {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *x = *x * keep - rate_1 * *m / ((*v * scale_2).sqrt() + epsilon);
            });
            *parameter.tensor = ops::tensor(values, shape);
        }
    }
}
