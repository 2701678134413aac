//! Runs on disk, readers of foreign captures, and the capture certificate.

pub mod record;
