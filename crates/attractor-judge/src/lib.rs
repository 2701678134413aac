//! Attractor.
