//! Rows of a table by number, inside Burn's graph or outside of it.
//!
//! Burn's own gradient clears the table and copies it: of a small language model the token table is half of all weights.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary as step};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{Tensor, TensorData};

use super::unary::slice;
use super::{Matrix, indices};

/// The rows of `table` ([all, width]) with these numbers, [rows, width].
pub(crate) fn select(table: Matrix, rows: &[usize]) -> Matrix {
    if !table.is_autodiff() {
        return table.select(0, indices(rows));
    }
    let table = table.try_into_primitive::<Autodiff<Flex>>().expect("every tensor of this crate is on the CPU backend");
    let node = table.node();
    let table = table.into_primitive().to_contiguous();
    let [all, width] = [table.shape()[0], table.shape()[1]];
    let from = slice(&table);
    let chosen: Vec<f32> = rows.iter().flat_map(|row| &from[row * width..(row + 1) * width]).copied().collect();
    let chosen = FlexTensor::from_data(TensorData::new(chosen, [rows.len(), width]));
    let output = match Selected.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { rows: rows.to_vec(), all, width }, chosen),
        OpsKind::UnTracked(prepared) => prepared.finish(chosen),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct Selected;

#[derive(Debug, Clone)]
struct State {
    rows: Vec<usize>,
    all: usize,
    width: usize,
}

impl Backward<Flex, 1> for Selected {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let State { rows, all, width } = ops.state;
        step::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            let dy = dy.to_contiguous();
            let mut table = vec![0.0f32; all * width];
            for (row, dy) in rows.iter().zip(slice(&dy).chunks(width)) {
                table[row * width..(row + 1) * width].iter_mut().zip(dy).for_each(|(sum, &g)| *sum += g);
            }
            FlexTensor::from_data(TensorData::new(table, [all, width]))
        });
    }
}
