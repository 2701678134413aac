//! The parameters of a model, each with its name and group.

use super::Model;
use super::embed::Top;
use super::parts::{Linear, Normalise};
use crate::ops::Matrix;

/// A parameter tensor and where it belongs.
pub struct Parameter<'a> {
    /// Its name in the model: "L0.attention.query.weight".
    pub name: String,
    /// Its group: "L0.attention.query", "L0.mlp", "L0.norm", "embedding", "head".
    pub group: String,
    /// True for attention's own parameters.
    pub attention: bool,
    pub(crate) tensor: &'a mut Matrix,
}

impl Parameter<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        let [rows, columns] = self.tensor.dims();
        rows * columns
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Collects parameters under a group.
struct List<'a>(Vec<Parameter<'a>>);

impl<'a> List<'a> {
    fn matrix(&mut self, name: String, group: &str, tensor: &'a mut Matrix) {
        self.0.push(Parameter { name, group: group.into(), attention: group.contains(".attention."), tensor });
    }

    fn linear(&mut self, name: &str, group: &str, part: &'a mut Linear) {
        self.matrix(format!("{name}.weight"), group, &mut part.weight);
        if let Some(bias) = &mut part.bias {
            self.matrix(format!("{name}.bias"), group, bias);
        }
    }

    fn norm(&mut self, name: &str, group: &str, part: Option<&'a mut Normalise>) {
        let Some(part) = part else { return };
        self.matrix(format!("{name}.weight"), group, &mut part.weight);
        if let Some(bias) = &mut part.bias {
            self.matrix(format!("{name}.bias"), group, bias);
        }
    }
}

impl Model {
    /// Every parameter tensor, in a fixed order.
    pub(crate) fn parameters(&mut self) -> Vec<Parameter<'_>> {
        let mut list = List(Vec::new());
        let e = &mut self.embedding;
        let tables = [("tokens", &mut e.tokens), ("positions", &mut e.positions), ("types", &mut e.types)];
        for (name, table) in tables.into_iter().chain([("prefix", &mut e.prefix)]) {
            if let Some(table) = table {
                list.matrix(format!("embedding.{name}"), "embedding", table);
            }
        }
        if let Some(patches) = &mut e.patches {
            list.linear("embedding.patches", "embedding", patches);
        }
        list.norm("embedding.norm", "embedding", e.norm.as_mut());
        for block in &mut self.blocks {
            let at = |name: &str| format!("L{}.{name}", block.layer);
            let parts = [
                ("attention.query", &mut block.query),
                ("attention.key", &mut block.key),
                ("attention.value", &mut block.value),
                ("attention.output", &mut block.output),
            ];
            for (name, part) in parts {
                list.linear(&at(name), &at(name), part);
            }
            list.norm(&at("attention.query.norm"), &at("attention.query"), block.query_norm.as_mut());
            list.norm(&at("attention.key.norm"), &at("attention.key"), block.key_norm.as_mut());
            let norms = [
                ("before_attention", &mut block.before_attention),
                ("after_attention", &mut block.after_attention),
                ("before_mlp", &mut block.before_mlp),
                ("after_mlp", &mut block.after_mlp),
            ];
            for (name, part) in norms {
                list.norm(&at(&format!("norm.{name}")), &at("norm"), part.as_mut());
            }
            if let Some(mlp) = &mut block.mlp {
                if let Some(gate) = &mut mlp.gate {
                    list.linear(&at("mlp.gate"), &at("mlp"), gate);
                }
                list.linear(&at("mlp.up"), &at("mlp"), &mut mlp.up);
                list.linear(&at("mlp.down"), &at("mlp"), &mut mlp.down);
            }
        }
        list.norm("norm", "norm", self.final_norm.as_mut());
        match &mut self.top {
            Top::None => {}
            Top::Language { decoder, bias } => {
                if let Some(decoder) = decoder {
                    list.matrix("head.decoder".into(), "head", decoder);
                }
                if let Some(bias) = bias {
                    list.matrix("head.bias".into(), "head", bias);
                }
            }
            Top::Masked { dense, norm, decoder, bias, .. } => {
                list.linear("head.dense", "head", dense);
                list.norm("head.norm", "head", Some(norm));
                if let Some(decoder) = decoder {
                    list.matrix("head.decoder".into(), "head", decoder);
                }
                list.matrix("head.bias".into(), "head", bias);
            }
            Top::Classifier { dense, output } => {
                if let Some(dense) = dense {
                    list.linear("head.dense", "head", dense);
                }
                list.linear("head.output", "head", output);
            }
            Top::Distilled { class, distillation } => {
                list.linear("head.class", "head", class);
                list.linear("head.distillation", "head", distillation);
            }
        }
        list.0
    }

    /// Number of parameters that were read.
    pub fn parameter_count(&self) -> u64 {
        self.clone().parameters().iter().map(|p| p.len() as u64).sum()
    }
}
