//! Transformers from checkpoints, with a tap, an override and a gradient on every attention layer.
//!
//! [`checkpoint`] reads a Hugging Face folder (or a lone weight file) into a [`checkpoint::spec::Spec`], the model in
//! words, and named tensors; [`model`] is one transformer for all families; [`loss`] is what each kind of model is
//! judged by. Burn does the arithmetic behind a facade of ours, attention runs through `attractor::retrieve`.

pub mod checkpoint;

pub mod evidence;
pub mod image;
pub mod loss;
pub mod model;
mod ops;
pub mod text;
pub mod train;
pub mod weights;

pub use attractor::{Error, Result};
pub use model::{Input, Model, Observer, Output, Overrides, TokenRow};
