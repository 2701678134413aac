//! What a block is made of: linear maps, norms, the MLP.

use crate::checkpoint::spec::{Activation, Norm};
use crate::ops::rows::Standardise;
use crate::ops::{self, Matrix, unary};

/// y = x W + b, W of shape [in, out], b of shape [1, out].
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    pub weight: Matrix,
    pub bias: Option<Matrix>,
}

impl Linear {
    pub(crate) fn forward(&self, x: Matrix) -> Matrix {
        let y = x.matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => y.add(bias.clone()),
            None => y,
        }
    }
}

/// Normalisation of rows.
#[derive(Debug, Clone)]
pub(crate) struct Normalise {
    pub norm: Norm,
    /// [1, width]
    pub weight: Matrix,
    /// [1, width]; none for RMS norms.
    pub bias: Option<Matrix>,
}

impl Normalise {
    pub(crate) fn forward(&self, x: Matrix) -> Matrix {
        let [_, width] = x.dims();
        match self.norm {
            Norm::Layer { eps } => {
                let y = unary(Standardise { width, eps, centred: true }, x).mul(self.weight.clone());
                match &self.bias {
                    Some(bias) => y.add(bias.clone()),
                    None => y,
                }
            }
            Norm::Rms { eps, offset } => {
                let y = unary(Standardise { width, eps, centred: false }, x);
                let weight = self.weight.clone();
                y.mul(if offset == 0.0 { weight } else { weight.add_scalar(offset) })
            }
        }
    }
}

/// down(act(up x)), or down(act(gate x) * up x).
#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    pub activation: Activation,
    pub gate: Option<Linear>,
    pub up: Linear,
    pub down: Linear,
}

/// Numbers of the MLP's inner activations that are held at once (32 MB): of a long input they would be most of the memory.
const INNER: usize = 8 << 20;

impl Mlp {
    pub(crate) fn forward(&self, x: Matrix) -> Matrix {
        let ([rows, _], inner) = (x.dims(), self.up.weight.dims()[1]);
        let step = (INNER / inner.max(1)).max(1);
        if rows <= step || x.is_autodiff() {
            return self.piece(x);
        }
        let width = self.down.weight.dims()[1];
        let mut all = Vec::with_capacity(rows * width);
        for from in (0..rows).step_by(step) {
            let piece = self.piece(x.clone().slice([from..(from + step).min(rows)]));
            ops::read(piece, |piece| all.extend_from_slice(piece));
        }
        ops::tensor(all, [rows, width])
    }

    fn piece(&self, x: Matrix) -> Matrix {
        let inner = match &self.gate {
            Some(gate) => unary(self.activation, gate.forward(x.clone())).mul(self.up.forward(x)),
            None => unary(self.activation, self.up.forward(x)),
        };
        self.down.forward(inner)
    }
}
