//! Mean attention weight by distance between query and key.

use attractor::Result;
use attractor_record::Patterns;

/// Mass and pairs by distance.
#[derive(Clone, Default)]
struct Profile {
    mass: Vec<f64>,
    pairs: Vec<u64>,
}

impl Profile {
    fn add(&mut self, mass: &[f64], pairs: &[u64]) {
        let length = self.mass.len().max(mass.len());
        self.mass.resize(length, 0.0);
        self.pairs.resize(length, 0);
        self.mass.iter_mut().zip(mass).for_each(|(sum, m)| *sum += m);
        self.pairs.iter_mut().zip(pairs).for_each(|(sum, p)| *sum += p);
    }

    /// Mean weight of a pair at each distance, at the middle of its bin.
    fn curve(&self, width: usize) -> Vec<(f64, f64)> {
        let pairs = self.mass.iter().zip(&self.pairs).enumerate().filter(|(_, (_, pairs))| **pairs > 0);
        pairs
            .map(|(bin, (mass, &pairs))| ((bin * width) as f64 + (width - 1) as f64 / 2.0, mass / pairs as f64))
            .collect()
    }
}

/// Mean attention weight by distance, of heads or of layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles {
    /// Layer, head (`None`: all heads of the layer), and (distance in tokens, mean weight).
    pub curves: Vec<(usize, Option<usize>, Vec<(f64, f64)>)>,
    /// What rows that attend evenly to all they see would give, by the masks of the first layer.
    pub even: Vec<(f64, f64)>,
    /// Longest distance, tokens.
    pub longest: usize,
}

/// What rows that attend evenly to all they see would give, of the masks of one layer.
fn even(patterns: &dyn Patterns, layer: usize, width: usize) -> Result<Profile> {
    let mut profile = Profile::default();
    for input in 0..patterns.inputs() {
        let (mask, (queries, keys)) = (patterns.mask(layer, input)?, patterns.shape(layer, input)?);
        let bins = (queries + mask.offset).max(keys).div_ceil(width);
        let (mut mass, mut pairs) = (vec![0.0; bins], vec![0u64; bins]);
        for query in 0..queries {
            let weight = 1.0 / mask.visible(query, keys).max(1) as f64;
            for key in mask.range(query, keys).filter(|&key| mask.admits(query, key, keys)) {
                let bin = (query + mask.offset).abs_diff(key) / width;
                mass[bin] += weight;
                pairs[bin] += 1;
            }
        }
        profile.add(&mass, &pairs);
    }
    Ok(profile)
}

/// Mean attention weight by distance over the query-key pairs of all inputs: of each head if there are at most `most`, else
/// of each layer. `None` if the statistics by distance were not kept.
///
/// # Errors
/// What reading the statistics answers.
pub fn profiles(patterns: &dyn Patterns, most: usize) -> Result<Option<Profiles>> {
    let layers = patterns.layers();
    let each = layers.iter().map(|shape| shape.heads.len()).sum::<usize>() <= most;
    let mut profiles: Vec<(usize, Option<usize>, Profile)> = Vec::new();
    let mut width = None;
    for shape in &layers {
        let mut of_layer = Profile::default();
        for &head in &shape.heads {
            let mut of_head = Profile::default();
            for input in 0..patterns.inputs() {
                let Some(s) = patterns.statistics(shape.layer, head, input)? else { continue };
                // Inputs so long that their bins are wider cannot be joined with the others.
                if s.distance_mass.is_empty() || *width.get_or_insert(s.distance_bin_width) != s.distance_bin_width {
                    continue;
                }
                of_head.add(&s.distance_mass, &s.distance_pairs);
            }
            of_layer.add(&of_head.mass, &of_head.pairs);
            if each {
                profiles.push((shape.layer, Some(head), of_head));
            }
        }
        if !each {
            profiles.push((shape.layer, None, of_layer));
        }
    }
    let (Some(width), Some(first)) = (width, layers.first()) else { return Ok(None) };
    Ok(Some(Profiles {
        longest: profiles.iter().map(|(.., profile)| profile.mass.len() * width).max().unwrap_or(0),
        even: even(patterns, first.layer, width)?.curve(width),
        curves: profiles.into_iter().map(|(layer, head, profile)| (layer, head, profile.curve(width))).collect(),
    }))
}
