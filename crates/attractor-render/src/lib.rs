//! Figures and the self-contained HTML report.
//!
//! Figures are SVG: text stays text, maps are PNGs of one pixel a cell inside them. A figure stands alone as a file and
//! inside a page alike.

pub mod axis;
pub mod colour;
pub mod compare;
pub mod error;
#[cfg(feature = "export")]
pub mod file;
pub mod grid;
pub mod heatmap;
pub mod html;
pub mod intervals;
pub mod layout;
pub mod lines;
pub mod map;
pub mod positions;
pub mod pyramid;
pub mod raster;
pub mod scale;
pub mod svg;
pub mod text;
pub mod transform;

pub use error::{Error, Result};
pub use html::{Options, report_html};
