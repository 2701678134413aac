//! The figures: each a structure of data with a function to SVG.

pub mod classes;
pub mod compare;
pub mod contour;
pub mod grid;
pub mod heatmap;
pub mod histogram;
pub mod images;
pub mod intervals;
pub mod lines;
pub mod moving;
pub mod network;
pub mod panels;
pub mod patches;
pub mod positions;
pub mod rolling;
pub mod scatter;
pub mod stacked;
pub mod words;
