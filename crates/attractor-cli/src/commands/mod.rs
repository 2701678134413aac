//! The commands, one a file.

pub mod capture;
pub mod convert;
pub mod demo;
pub mod diff;
pub mod export;
pub mod heads;
pub mod info;
pub mod memory;
pub mod metrics;
pub mod rbm;
pub mod report;
mod resume;
pub mod rollout;
pub mod train;
pub mod validate;
