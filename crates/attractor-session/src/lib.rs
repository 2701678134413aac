//! The jobs of the house as a library: options in, typed results out.
//!
//! Every job takes plain options with a `check()` of their own and a [`Context`](attractor::Context), and answers with a
//! typed, serialisable result. Nothing here prints, exits, reads the environment, handles signals or touches the global
//! thread pool: several callers in one process work side by side. The command line, Python and the tests are its faces.

pub use attractor::{Context, Error, Hint, Kind, Note, Result, Step};
