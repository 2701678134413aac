//! Weights stored as integers or 8-bit floats: dequantised where the file states the recipe, refused by name otherwise.
//!
//! | recipe                                     | weight        | scales                                     | W                    |
//! |--------------------------------------------|---------------|--------------------------------------------|----------------------|
//! | int8 with scales (compressed-tensors W8A8) | int8 [m, n]   | `weight_scale`: one, [m], [m, 1] or [m, g] | (w - zero) scale     |
//! | bitsandbytes int8                          | int8 [m, n]   | `SCB` [m]                                  | w SCB / 127          |
//! | fp8 with scales                            | E4M3 or E5M2  | `weight_scale`, or `weight_scale_inv` of blocks | w scale         |
//!
//! Source: compressed-tensors' `quantization/lifecycle/forward.py`; bitsandbytes' `int8_vectorwise_dequant`; transformers'
//! `integrations/finegrained_fp8.py`, where `weight_scale_inv` multiplies.

use super::array::{Array, Dtype};
use super::opening::Remark;
use attractor::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// Endings of tensors of formats that are not read, with the name of the format.
const PACKED: [(&str, &str); 10] = [
    (".quant_state.bitsandbytes__nf4", "bitsandbytes NF4 (4 bits)"),
    (".quant_state.bitsandbytes__fp4", "bitsandbytes FP4 (4 bits)"),
    (".absmax", "bitsandbytes 4 bits"),
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".weight_packed", "compressed-tensors with packed integers"),
    (".weight_blocks", "MXFP4"),
    ("_blocks", "MXFP4"),
    (".W_q", "HQQ"),
    (".codebooks", "AQLM"),
];

/// What lies beside a quantised weight and is no weight itself.
const BESIDE: [&str; 9] = [
    "weight_scale",
    "weight_scale_inv",
    "weight_zero_point",
    "weight_shape",
    "SCB",
    "weight_format",
    "input_scale",
    "activation_scale",
    "input_zero_point",
];

/// How one weight is dequantised.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    name: &'static str,
    /// The tensor of scales.
    scale: String,
    /// What scales are divided by.
    divisor: f32,
    /// The tensor of zero points.
    zero: Option<String>,
    /// Rows and columns of a block of one scale, where the configuration says so.
    block: Option<(usize, usize)>,
}

/// What the configuration says of quantisation.
struct Stated {
    method: String,
    block: Option<(usize, usize)>,
}

/// A set of stored tensors.
pub(super) trait Stored {
    fn names(&self) -> Vec<String>;
    fn dtype(&self, name: &str) -> Option<Dtype>;
    fn has(&self, name: &str) -> bool;
}

/// True for a tensor that belongs to a quantised weight.
pub(super) fn is_beside(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| BESIDE.contains(&last))
}

/// The recipe of every quantised weight, by its name, and what should be known of them.
///
/// # Errors
/// `is_unsupported` for a format that is not read, by its name, and for integers without scales.
pub(super) fn recipes(
    stored: &dyn Stored,
    configuration: &Value,
    place: &str,
) -> Result<(BTreeMap<String, Recipe>, Vec<Remark>)> {
    let refuse = |what: &str| {
        Error::unsupported(format!(
            "{place}: the weights are quantised by {what}, which is not read; dequantise the model and save it (transformers: \
             model.dequantize(), then save_pretrained), or give the original checkpoint"
        ))
    };
    let stated = stated(configuration, &refuse)?;
    let names = stored.names();
    if let Some((_, format)) = PACKED.iter().find(|(end, _)| names.iter().any(|name| name.ends_with(end))) {
        return Err(refuse(format));
    }
    let mut found = BTreeMap::new();
    let mut activations = false;
    for name in &names {
        let Some(base) = name.strip_suffix(".weight") else { continue };
        let Some(dtype) = stored.dtype(name).filter(|d| !d.is_float()) else { continue };
        let beside = |last: &str| Some(format!("{base}.{last}")).filter(|name| stored.has(name));
        let eight = matches!(dtype, Dtype::F8E4M3 | Dtype::F8E5M2);
        let (recipe, scale, divisor) = match (dtype, beside("SCB"), beside("weight_scale"), beside("weight_scale_inv"))
        {
            (Dtype::I8, Some(scale), ..) => ("bitsandbytes int8", scale, 127.0),
            (Dtype::I8, None, Some(scale), _) => ("int8 with scales", scale, 1.0),
            (_, _, Some(scale), _) | (_, _, None, Some(scale)) if eight => ("fp8 with scales", scale, 1.0),
            // Nothing that the model asks for may stay so; what it asks for, `check` knows.
            _ => continue,
        };
        activations |= beside("input_scale").is_some() || beside("activation_scale").is_some();
        let block = stated.as_ref().and_then(|s| s.block);
        let zero = beside("weight_zero_point");
        found.insert(name.clone(), Recipe { name: recipe, scale, divisor, zero, block });
    }
    activations |= !found.is_empty() && stated.is_some_and(|s| s.method != "bitsandbytes");
    let mut counted: BTreeMap<&'static str, usize> = BTreeMap::new();
    found.values().for_each(|recipe| *counted.entry(recipe.name).or_default() += 1);
    let mut remarks: Vec<Remark> =
        counted.into_iter().map(|(recipe, tensors)| Remark::Dequantised { recipe: recipe.into(), tensors }).collect();
    if activations {
        remarks.push(Remark::FullActivations);
    }
    Ok((found, remarks))
}

/// The configuration's own word, if it has one.
fn stated(configuration: &Value, refuse: &dyn Fn(&str) -> Error) -> Result<Option<Stated>> {
    let text = configuration.get("text_config");
    let object = [Some(configuration), text].into_iter().flatten().find_map(|object| {
        ["quantization_config", "compression_config"].iter().find_map(|key| object.get(key).filter(|v| !v.is_null()))
    });
    let Some(object) = object else { return Ok(None) };
    let word = |key: &str| object.get(key).and_then(Value::as_str);
    let flag = |key: &str| object.get(key).and_then(Value::as_bool).unwrap_or(false);
    let method = match word("quant_method") {
        Some(method) => method,
        None if flag("load_in_8bit") || flag("load_in_4bit") => "bitsandbytes",
        None => return Err(refuse("a method that `quantization_config` does not name")),
    };
    match method {
        "bitsandbytes" if flag("load_in_4bit") || flag("_load_in_4bit") => {
            let kind = word("bnb_4bit_quant_type").unwrap_or("fp4").to_uppercase();
            return Err(refuse(&format!("bitsandbytes {kind} (4 bits)")));
        }
        "compressed-tensors" => {
            let format = word("format").unwrap_or("dense");
            if !["int-quantized", "naive-quantized", "float-quantized", "dense"].contains(&format) {
                return Err(refuse(&format!("compressed-tensors in the format {format}")));
            }
            let sparsity = object.get("sparsity_config").and_then(|s| s.get("format")).and_then(Value::as_str);
            if let Some(format) = sparsity.filter(|format| *format != "dense") {
                return Err(refuse(&format!("compressed-tensors with sparsity {format}")));
            }
        }
        "bitsandbytes" | "fp8" | "fbgemm_fp8" => {}
        other => return Err(refuse(other)),
    }
    let sizes = object.get("weight_block_size").and_then(Value::as_array);
    let sizes: Vec<usize> = sizes.into_iter().flatten().filter_map(|n| Some(n.as_u64()? as usize)).collect();
    let block = match sizes[..] {
        [rows, columns] if rows > 0 && columns > 0 => Some((rows, columns)),
        _ => None,
    };
    Ok(Some(Stated { method: method.to_owned(), block }))
}

impl Recipe {
    /// The weight [m, n] as the model reads it. `read` reads a tensor that lies beside it.
    ///
    /// # Errors
    /// `is_shape` if the scales do not fit, and what reading answers.
    pub(super) fn apply(&self, mut weight: Array, place: &str, read: &dyn Fn(&str) -> Result<Array>) -> Result<Array> {
        let [rows, columns] = weight.shape[..] else {
            return Err(Error::shape(format!("{place}: a quantised weight has two axes, got {:?}", weight.shape)));
        };
        let scale = Grid::of(read(&self.scale)?, (rows, columns), self.block, place, &self.scale)?;
        let zero = match &self.zero {
            Some(name) => Some(Grid::of(read(name)?, (rows, columns), self.block, place, name)?),
            None => None,
        };
        for (at, value) in weight.values.iter_mut().enumerate() {
            let (row, column) = (at / columns, at % columns);
            let shift = zero.as_ref().map_or(0.0, |zero| zero.at(row, column));
            *value = (*value - shift) * (scale.at(row, column) / self.divisor);
        }
        Ok(weight)
    }
}

/// One value for each block of a matrix.
struct Grid {
    values: Vec<f32>,
    across: usize,
    block: (usize, usize),
}

impl Grid {
    fn of(
        array: Array,
        (rows, columns): (usize, usize),
        stated: Option<(usize, usize)>,
        place: &str,
        name: &str,
    ) -> Result<Self> {
        let wrong = || {
            Error::shape(format!(
                "{place}: `{name}` of shape {:?} does not fit a weight of {rows} x {columns}; expected one scale, one per \
                 row, or one per block",
                array.shape
            ))
        };
        let (across, block) = match (array.values.len(), &array.shape[..], stated) {
            (1, ..) => (1, (rows.max(1), columns.max(1))),
            (_, &[m], _) if m == rows => (1, (1, columns.max(1))),
            (_, &[m, 1], _) if m == rows => (1, (1, columns.max(1))),
            (_, &[m, g], Some((height, width))) if m == rows.div_ceil(height) && g == columns.div_ceil(width) => {
                (g, (height, width))
            }
            (_, &[m, g], _) if m == rows && g > 0 && columns % g == 0 => (g, (1, columns / g)),
            _ => return Err(wrong()),
        };
        Ok(Self { values: array.values, across, block })
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row / self.block.0 * self.across + column / self.block.1]
    }
}
