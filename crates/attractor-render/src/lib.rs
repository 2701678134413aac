//! Figures and the self-contained HTML report.
//!
//! Figures are SVG: text stays text, maps are PNGs inside them, one pixel per cell. A figure stands alone as a file and
//! inside a page alike. [`canvas`] is what they are drawn with, [`maps`] what is drawn, [`figures`] the kinds of figures,
//! [`page`] the report, [`results`] what jobs found, [`memories`] those of memories and machines from their results,
//! [`terminal`] those of characters.

pub mod canvas;
pub mod figures;
pub mod maps;
pub mod memories;
pub mod page;
pub mod results;
pub mod terminal;

pub use attractor::{Error, Result};
pub use page::{Maps, Options, report_html};
