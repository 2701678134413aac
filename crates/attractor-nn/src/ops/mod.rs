//! The facade on Burn: the only module that knows its backends.
//!
//! Models are written on `Tensor<2>` of f32, `[rows, features]`. What Burn's CPU backend does slowly (anything with an
//! exponential) enters as an operation of ours on slices, with its own backward; see [`Unary`].

pub(crate) mod elementwise;
pub(crate) mod rows;
mod select;
mod unary;

use burn::backend::Flex;
use burn::tensor::{Device, Int, Tensor, TensorData};

pub(crate) use select::select;
pub(crate) use unary::{Unary, unary};

/// A matrix `[rows, columns]` on Burn.
pub(crate) type Matrix = Tensor<2>;

/// The device that everything here runs on.
pub(crate) fn device() -> Device {
    Device::flex()
}

/// A tensor from row-major values.
///
/// # Panics
/// If the number of values is not the product of `shape`: callers have checked it.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// Indices for `select`.
pub(crate) fn indices(values: &[usize]) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&x| x as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), &device())
}

/// The row-major values; forgets gradients.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    read(tensor, <[f32]>::to_vec)
}

/// Looks at the row-major values without copying them where they lie in order.
///
/// # Panics
/// If the tensor lies on another device: [`device`] is the only one there is.
pub(crate) fn read<const D: usize, T>(tensor: Tensor<D>, look: impl FnOnce(&[f32]) -> T) -> T {
    let flex = tensor.inner().try_into_primitive::<Flex>().expect("every tensor of this crate is on the CPU backend");
    match flex.as_slice::<f32>() {
        Some(slice) => look(slice),
        None => look(flex.to_contiguous().storage::<f32>()),
    }
}
