//! Figures and the self-contained HTML report.
//!
//! Figures are SVG: text stays text, maps are PNGs of one pixel a cell inside them. A figure stands alone as a file and
//! inside a page alike.

pub mod colour;
pub mod error;
pub mod grid;
pub mod heatmap;
pub mod html;
pub mod map;
pub mod raster;
pub mod svg;
pub mod text;

pub use error::{Error, Result};
pub use html::{Options, report_html};
