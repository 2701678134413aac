//! Numbers recorded from other implementations, and our own held to them.
//!
//! A folder of vectors holds safetensors files (`KIND.safetensors` or `KIND_name.safetensors`), Hugging Face
//! checkpoints with a `golden.safetensors` in them, and metadata: `index.json` (source, version and tolerance of each)
//! and a `.json` beside a file.

pub mod compare;
pub mod golden;
pub mod hand_built;
pub mod kinds;
pub mod memories;
pub mod real;
