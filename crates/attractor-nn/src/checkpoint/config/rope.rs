//! Rotary settings in both spellings: `rope_theta` with `rope_scaling`, and `rope_parameters` (one, or one per kind of
//! layer).
//!
//! Source: transformers 5.23.0, `modeling_rope_utils.py`; the rules by which old spellings become new ones are its
//! `convert_rope_params_to_dict` and `standardize_rope_params`.

use super::keys::Keys;
use crate::checkpoint::spec::{Rope, Scaling};
use attractor::{Error, Result};

/// What transformers takes where nothing is said.
const THETA: f64 = 10_000.0;

/// What all layers share when their rotation is read.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) head_dim: usize,
    pub(super) max_positions: usize,
}

/// One rotation for all layers.
pub(super) fn single(keys: Keys<'_>, around: Around) -> Result<Rope> {
    let theta = keys.positive_or("rope_theta", THETA)?;
    // Old files may carry both; the old name wins there as it does in transformers.
    let settings = match keys.object_if("rope_scaling")? {
        Some(settings) => Some(settings),
        None => keys.object_if("rope_parameters")?,
    };
    // A per-kind dictionary in a family whose layers all rotate alike: those of its full layers.
    let settings = match settings {
        Some(settings) if !settings.has("rope_type") && settings.has("full_attention") => {
            if settings.get("sliding_attention").is_some_and(|sliding| Some(sliding) != settings.get("full_attention"))
            {
                return Err(Error::unsupported(format!(
                    "{}: `rope_parameters` gives layers with a window another rotation; only Gemma 3 has two",
                    keys.place()
                )));
            }
            settings.object_if("full_attention")?
        }
        other => other,
    };
    rope(keys, settings, theta, around)
}

/// Gemma 3: a rotation for full layers and another for layers with a window.
pub(super) fn double(keys: Keys<'_>, around: Around) -> Result<(Rope, Rope)> {
    let global = keys.positive_or("rope_theta", 1_000_000.0)?;
    let local = keys.positive_or("rope_local_base_freq", THETA)?;
    let parameters = keys.object_if("rope_parameters")?;
    let nested = |kind: &str| match parameters {
        Some(parameters) => parameters.object_if(kind),
        None => Ok(None),
    };
    if let Some(flat) = parameters
        && !flat.has("full_attention")
        && !flat.has("sliding_attention")
    {
        return Err(keys.error(
            "`rope_parameters`: expected one entry for `full_attention` and one for `sliding_attention`, got a single \
             rotation; Gemma 3 has two",
        ));
    }
    // The old `rope_scaling` speaks of full layers only.
    let full = match keys.object_if("rope_scaling")? {
        Some(settings) => Some(settings),
        None => nested("full_attention")?,
    };
    Ok((rope(keys, full, global, around)?, rope(keys, nested("sliding_attention")?, local, around)?))
}

fn rope(keys: Keys<'_>, settings: Option<Keys<'_>>, theta: f64, around: Around) -> Result<Rope> {
    let settings_or_keys = settings.unwrap_or(keys);
    let part = match settings_or_keys.positive_if("partial_rotary_factor")? {
        Some(part) => part,
        None => keys.positive_or("partial_rotary_factor", 1.0)?,
    };
    // These families' code in transformers 5.24 rotates whole heads whatever the factor says, or breaks on it.
    if part != 1.0 {
        return Err(Error::unsupported(format!(
            "{}: `partial_rotary_factor` is {part}, but models of this family rotate whole heads; set it to 1 if these \
             weights were trained so",
            keys.place()
        )));
    }
    let dims = around.head_dim;
    if dims % 2 != 0 {
        return Err(keys.error(format_args!("rotary embedding: expected an even head width, got {dims}")));
    }
    let Some(settings) = settings else { return Ok(Rope { theta, dims, scaling: Scaling::Default }) };
    let theta = settings.positive_or("rope_theta", theta)?;
    Ok(Rope { theta, dims, scaling: scaling(keys, settings, around)? })
}

fn scaling(keys: Keys<'_>, settings: Keys<'_>, around: Around) -> Result<Scaling> {
    let kind = match settings.text_if("rope_type")? {
        Some(kind) => kind,
        None => settings.text_if("type")?.unwrap_or("default"),
    };
    let original = || -> Result<usize> {
        match keys.rows_if("original_max_position_embeddings")? {
            Some(n) => Ok(n),
            None => Ok(settings.rows_if("original_max_position_embeddings")?.unwrap_or(around.max_positions)),
        }
    };
    match kind {
        "default" => Ok(Scaling::Default),
        "linear" => Ok(Scaling::Linear { factor: settings.positive("factor")? }),
        "dynamic" => {
            // The base grows with the length beyond max_position_embeddings, whatever else is written.
            Ok(Scaling::Dynamic { factor: settings.positive("factor")?, original: around.max_positions })
        }
        "llama3" => {
            let (low, high) = (settings.positive("low_freq_factor")?, settings.positive("high_freq_factor")?);
            if high <= low {
                return Err(keys.error(format_args!(
                    "rotary scaling: expected high_freq_factor above low_freq_factor, got {high} and {low}"
                )));
            }
            Ok(Scaling::Llama3 { factor: settings.positive("factor")?, low, high, original: original()? })
        }
        "yarn" => yarn(keys, settings, around, original()?),
        other => Err(Error::unsupported(format!(
            "{}: rotary scaling `{other}` is not built in; default, linear, dynamic, llama3 and yarn are",
            keys.place()
        ))),
    }
}

fn yarn(keys: Keys<'_>, settings: Keys<'_>, around: Around, original: usize) -> Result<Scaling> {
    let factor = match settings.positive_if("factor")? {
        Some(factor) => factor,
        None => around.max_positions as f64 / original as f64,
    };
    let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
    let attention_factor = match settings.positive_if("attention_factor")? {
        Some(given) => given,
        None => match (settings.get("mscale"), settings.get("mscale_all_dim")) {
            (Some(_), Some(_)) => {
                // Zero means "not given" there.
                let number = |key| settings.get(key).and_then(serde_json::Value::as_f64).filter(|x| x.is_finite());
                match (number("mscale"), number("mscale_all_dim")) {
                    (Some(m), Some(all)) if m != 0.0 && all != 0.0 => scale(m) / scale(all),
                    (Some(_), Some(_)) => scale(1.0),
                    _ => return Err(keys.error("rotary scaling: expected numbers for mscale and mscale_all_dim")),
                }
            }
            _ => scale(1.0),
        },
    };
    let (beta_fast, beta_slow) = (settings.positive_or("beta_fast", 32.0)?, settings.positive_or("beta_slow", 1.0)?);
    if beta_fast < beta_slow {
        return Err(keys.error(format_args!(
            "rotary scaling: expected beta_fast of at least beta_slow, got {beta_fast} and {beta_slow}"
        )));
    }
    let truncate = settings.flag_or("truncate", true)?;
    Ok(Scaling::Yarn { factor, original, beta_fast, beta_slow, attention_factor, truncate })
}
