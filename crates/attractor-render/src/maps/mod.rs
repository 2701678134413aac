//! What is drawn: attention maps of any length in few cells, read in strips, and what may be done to them first.

pub mod hidden;
pub mod level;
pub mod map;
pub mod pyramid;
pub mod transform;
