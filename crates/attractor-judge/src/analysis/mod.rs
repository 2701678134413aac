//! What maps say beyond verdicts: where attention comes from through all layers, and figures of single maps.
//!
//! | file          | question                                                                         |
//! |---------------|----------------------------------------------------------------------------------|
//! | `fused`       | the fused map of each layer, with the residual stream in it                       |
//! | `rollout`     | how much of each input token is in a query's last state, by products of maps      |
//! | `nth`         | which cells are the smallest, of more than are held                               |
//! | `flow`        | the same by the largest flow                                                      |
//! | `share`       | the shares of an attribution, by token or word                                   |
//! | `profile`     | mean attention weight by distance                                                 |
//! | `query`       | which position is asked about: `cls`, `last`, a number, a token                   |
//! | `aggregate`   | maps of words, spans and groups of heads that are distributions still             |
//! | `rank`        | how many dimensions a map has beside the uniform map of its mask                  |
//! | `metastable`  | how many stored patterns a query retrieves at once                                |
//! | `distance`    | how far attention reaches, along a text and across an image                       |
//! | `importance`  | how much the model leans on a head                                                |
//! | `pass`        | one pass over the rows of a map, for all figures that want some of them           |
//! | `table`       | the figures of single maps as columns of the table of heads                       |

pub mod aggregate;
mod caveat;
pub mod distance;
pub mod flow;
pub mod fused;
pub mod importance;
pub mod metastable;
mod nth;
mod pass;
pub mod profile;
pub mod query;
pub mod rank;
pub mod rollout;
pub mod share;
mod singular;
pub mod table;

pub use aggregate::{Grouped, HeadGroups, Partition, query_groups};
pub use caveat::Caveat;
pub use flow::flow;
pub use fused::{Fuse, FuseOptions, Fused};
pub use importance::{HeadImportance, importance};
pub use profile::{Profiles, profiles};
pub use query::find_query;
pub use rollout::{Attribution, Method, rollout};
pub use share::{By, Share, shares};
pub use singular::singular_values;
