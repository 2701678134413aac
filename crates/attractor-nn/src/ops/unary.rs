//! Operations of ours with one input, inside Burn's graph or outside of it.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary as step};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{Tensor, TensorData};

/// y = f(x) on slices, of equal shapes, and its backward.
pub(crate) trait Unary: Clone + Debug + Send + Sync + 'static {
    /// Writes y.
    fn forward(&self, x: &[f32], y: &mut [f32]);

    /// Writes dL/dx, given x, y and dL/dy.
    fn backward(&self, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]);
}

/// Applies `operation`; recorded for gradients if `x` is.
pub(crate) fn unary<O: Unary, const D: usize>(operation: O, x: Tensor<D>) -> Tensor<D> {
    if !x.is_autodiff() {
        let x = x.try_into_primitive::<Flex>().expect("every tensor of this crate is on the CPU backend");
        return Tensor::from_primitive::<Flex>(forward(&operation, &x.to_contiguous()));
    }
    let x = x.try_into_primitive::<Autodiff<Flex>>().expect("every tensor of this crate is on the CPU backend");
    let node = x.node();
    let x = x.into_primitive().to_contiguous();
    let y = forward(&operation, &x);
    let output =
        match Recorded::<O>(std::marker::PhantomData).prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(State { operation, x, y: y.clone() }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

fn forward(operation: &impl Unary, x: &FlexTensor) -> FlexTensor {
    let mut y = vec![0.0; x.shape().num_elements()];
    operation.forward(slice(x), &mut y);
    FlexTensor::from_data(TensorData::new(y, x.shape()))
}

/// The values of a contiguous tensor (which may be a view into a longer buffer).
pub(super) fn slice(x: &FlexTensor) -> &[f32] {
    x.as_slice::<f32>().expect("made contiguous before")
}

#[derive(Debug)]
struct Recorded<O>(std::marker::PhantomData<fn(O)>);

#[derive(Debug, Clone)]
struct State<O> {
    operation: O,
    x: FlexTensor,
    y: FlexTensor,
}

impl<O: Unary> Backward<Flex, 1> for Recorded<O> {
    type State = State<O>;

    fn backward(self, ops: Ops<State<O>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let State { operation, x, y } = ops.state;
        step::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            let dy = dy.to_contiguous();
            let mut dx = vec![0.0; x.shape().num_elements()];
            operation.backward(slice(&x), slice(&y), slice(&dy), &mut dx);
            FlexTensor::from_data(TensorData::new(dx, x.shape()))
        });
    }
}
