//! What every figure is drawn with: SVG, axes, scales, colours, text, and the ways to a file.

pub mod axis;
pub mod colour;
#[cfg(feature = "export")]
pub mod file;
pub(crate) mod labels;
pub mod layout;
pub mod look;
pub mod numbers;
pub mod raster;
pub mod scale;
pub mod svg;
pub mod text;
