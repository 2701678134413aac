//! Figures and the self-contained HTML report.
//!
//! Figures are SVG: text stays text, maps are PNGs of one pixel a cell inside them. A figure stands alone as a file and
//! inside a page alike.

pub mod axis;
pub mod classes;
pub mod colour;
pub mod compare;
pub mod contour;
pub mod error;
#[cfg(feature = "export")]
pub mod file;
pub mod grid;
pub mod heatmap;
pub mod hidden;
pub mod histogram;
pub mod html;
pub mod images;
pub mod intervals;
pub mod layout;
pub mod level;
pub mod lines;
pub mod map;
pub mod moving;
pub mod network;
pub mod panels;
pub mod patches;
pub mod positions;
pub mod pyramid;
pub mod raster;
pub mod rolling;
pub mod scale;
pub mod scatter;
pub mod stacked;
pub mod svg;
pub mod text;
pub mod transform;
pub mod words;

pub use error::{Error, Result};
pub use html::{Options, report_html};
