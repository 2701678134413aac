//! One head on one input.

use std::collections::VecDeque;
use std::ops::Range;

use attractor::retrieve::{HeadStatistics, Request};
use attractor::rows::{self, jensen_shannon};

use super::{Geometry, Row};

/// The coarsest precision of stored weights.
const COARSEST: u8 = 2;

/// The figures of one head on one input. `None`: it could not be taken.
#[derive(Debug, Default)]
pub(crate) struct HeadInput {
    /// Why groups 2 to 7 cannot use this map.
    pub unfit: Option<Unfit>,
    pub has_weights: bool,
    pub has_statistics: bool,
    pub invalid_rows: usize,
    pub empty_rows: usize,
    /// Rows that see keys and put no mass on any.
    pub massless_rows: usize,
    /// Largest |row sum - 1|.
    pub row_sum_error: Option<f64>,
    /// Row with that error.
    pub row_sum_row: usize,
    /// Coarsest precision that the stored weights fit: 0 f32, 1 f16, 2 bf16.
    pub precision: u8,
    /// Most negative weight.
    pub lowest: f64,
    /// Largest mass of a row on keys that the mask forbids, and the row.
    pub forbidden: Option<(f64, usize)>,
    /// Largest mass of a row on later positions, and the row.
    pub future: Option<(f64, usize)>,
    /// Largest excess over the bounds between entropy and sum of squares, nats.
    pub bound_excess: Option<f64>,
    /// Mean over rows of 1 - H / ln n, the normalised KL to uniform.
    pub sharpness: Option<f64>,
    /// Mean over rows of ln n - H, nats.
    pub divergence_uniform: Option<f64>,
    /// Mean over rows of exp(H), keys.
    pub effective_keys: Option<f64>,
    /// Mean enrichment of near keys.
    pub near: Option<f64>,
    /// Upper tail of the near enrichment among within-row permutations (exact moments, normal tail).
    pub near_p: Option<f64>,
    /// Mean enrichment of far keys.
    pub far: Option<f64>,
    /// Mean enrichment of special tokens, punctuation and the first token.
    pub classes: [Option<f64>; 3],
    /// Distance-matched enrichment of same-token pairs less that of different-token pairs.
    pub repeat: Option<f64>,
    /// Mean divergence of rows at each lag, in units of ln 2.
    pub variation: [Option<f64>; 2],
    /// Sum of enrichment by signed offset, over the rows that see two keys or more.
    pub profile: Vec<f64>,
    /// Sum of enrichment over visible text pairs by signed offset.
    pub text_profile: Vec<f64>,
}

/// Keys at a time when sums by key or offset are added up: what stays in the nearest cache.
const BLOCK: usize = 1024;

/// Sums over rows while they pass by.
pub(crate) struct Tally<'a> {
    g: &'a Geometry,
    statistics: Option<HeadStatistics>,
    figures: HeadInput,
    entropy: [f64; 3],
    entropy_rows: usize,
    near: (f64, f64, f64),
    far: f64,
    class_sum: [f64; 3],
    class_rows: [usize; 3],
    /// Enrichment of the pairs of one token, by [`Geometry::same_offsets`].
    same: Vec<f64>,
    /// As in the figures, by [`Geometry::profile_index`].
    profile: Vec<f64>,
    text_profile: Vec<f64>,
    variation: [(f64, usize); 2],
    /// The last rows, for the divergences at a lag; none where the statistics have those.
    recent: VecDeque<Vec<f32>>,
    wants_variation: bool,
}

impl<'a> Tally<'a> {
    /// `statistics` are the model's own, where they were kept.
    pub(crate) fn new(g: &'a Geometry, statistics: Option<HeadStatistics>) -> Self {
        let has_divergence = statistics.as_ref().is_some_and(|s| {
            s.divergence.len() == Request::LAGS.len() && s.divergence.iter().all(|rows| rows.len() == g.queries)
        });
        Self {
            g,
            statistics,
            figures: HeadInput { precision: COARSEST, ..HeadInput::default() },
            entropy: [0.0; 3],
            entropy_rows: 0,
            near: (0.0, 0.0, 0.0),
            far: 0.0,
            class_sum: [0.0; 3],
            class_rows: [0; 3],
            same: vec![0.0; g.same_offsets.len()],
            profile: vec![0.0; g.offsets()],
            text_profile: if g.text_pairs.is_empty() { Vec::new() } else { vec![0.0; g.offsets()] },
            variation: [(0.0, 0); 2],
            recent: VecDeque::new(),
            wants_variation: !has_divergence,
        }
    }

    /// True if the entropies of rows must be found in their weights.
    pub(crate) fn wants_logs(&self) -> bool {
        self.statistics.as_ref().is_none_or(|s| s.entropy.len() != self.g.queries)
    }

    /// Takes in rows as they are stored, with what each comes to; `masked`: nothing lies outside the mask.
    pub(crate) fn strip(&mut self, rows: Range<usize>, block: &[f32], facts: &[Row], masked: bool) {
        let g = self.g;
        self.figures.has_weights = true;
        // Enrichment that each row's weights are worth in the profiles: of all keys, of text.
        let mut scales = vec![(0.0, 0.0); rows.len()];
        for ((query, weights), (fact, scale)) in
            rows.clone().zip(block.chunks_exact(g.keys)).zip(facts.iter().zip(&mut scales))
        {
            *scale = self.row(query, weights, fact, masked);
            if self.wants_variation {
                if self.recent.len() == Request::LAGS[1] {
                    self.recent.pop_front();
                }
                self.recent.push_back(weights.to_vec());
            }
        }
        for from in (0..g.keys).step_by(BLOCK) {
            for ((query, weights), &(all, text)) in rows.clone().zip(block.chunks_exact(g.keys)).zip(&scales) {
                let range = g.mask.range(query, g.keys);
                let keys = range.start.max(from)..range.end.min(from + BLOCK);
                if keys.is_empty() {
                    continue;
                }
                let by_offset = g.profile_index(query, keys.start)..g.profile_index(query, keys.end);
                rows::dispatch(
                    #[inline(always)]
                    || {
                        if text > 0.0 {
                            let sums = &mut self.text_profile[by_offset.clone()];
                            rows::add_kept(sums, &weights[keys.clone()], &g.keep_text[keys.clone()], text);
                        }
                        if all > 0.0 {
                            rows::add_kept(&mut self.profile[by_offset], &weights[keys.clone()], &g.keep[keys], all);
                        }
                    },
                );
            }
        }
    }

    /// Takes in one row; says what its weights are worth in the profiles of all keys and of text.
    fn row(&mut self, query: usize, weights: &[f32], fact: &Row, masked: bool) -> (f64, f64) {
        const NOTHING: (f64, f64) = (0.0, 0.0);
        let g = self.g;
        let p = g.position(query);
        let range = g.mask.range(query, g.keys);
        let n = f64::from(g.visible[query]);
        let f = &mut self.figures;
        if !fact.mass.is_finite() {
            f.invalid_rows += 1;
            return NOTHING;
        }
        if f.precision > 0 {
            f.precision = f.precision.min(precision_of(weights));
        }
        // What is known to lie nowhere outside the mask cannot lie ahead of a causal row either.
        let ahead = if masked { range.start.max(p + 1)..range.end } else { (p + 1).min(g.keys)..g.keys };
        let future = match ahead.is_empty() {
            true => 0.0,
            false => rows::dispatch(
                #[inline(always)]
                || rows::mass(&weights[ahead]).0,
            ),
        };
        f.lowest = f.lowest.min(f64::from(fact.lowest));
        let hidden: f64 = match g.mask.hidden.is_empty() {
            true => 0.0,
            false => {
                range.clone().filter(|&key| g.mask.hides(key)).map(|key| f64::from(weights[key].abs())).sum::<f64>()
            }
        };
        let (forbidden, sum, squares, log_sum) =
            (fact.outside + hidden, fact.seen.sum, fact.seen.squares, fact.seen.log_sum);
        if f.forbidden.is_none_or(|(worst, _)| forbidden > worst) {
            f.forbidden = Some((forbidden, query));
        }
        if f.future.is_none_or(|(worst, _)| future > worst) {
            f.future = Some((future, query));
        }
        if n == 0.0 || (sum <= 0.0 && g.mask.is_padding(query)) {
            f.empty_rows += 1;
            return NOTHING;
        }
        // The forbidden mass counts: a row that leaks sums to one with it.
        let error = (sum + forbidden - 1.0).abs();
        if f.row_sum_error.is_none_or(|worst| error > worst) {
            f.row_sum_error = Some(error);
            f.row_sum_row = query;
        }
        // A row that sees keys and weighs none of them has failed above, and tells nothing else.
        if sum <= 0.0 {
            f.massless_rows += 1;
            return NOTHING;
        }
        let enrich = n / sum;
        if n >= 2.0 && !log_sum.is_nan() {
            let entropy = sum.ln() - log_sum / sum;
            self.entropy[0] += 1.0 - entropy / n.ln();
            self.entropy[1] += n.ln() - entropy;
            self.entropy[2] += entropy.exp();
            self.entropy_rows += 1;
        }
        self.near_and_far(weights, query, enrich, n, squares / (sum * sum));
        for (kind, class) in g.classes.iter().enumerate() {
            let Some(class) = class else { continue };
            let seen = f64::from(class.seen[query]);
            if seen > 0.0 && seen < n {
                let mass: f64 =
                    class.members.iter().filter(|&&key| range.contains(&key)).map(|&key| f64::from(weights[key])).sum();
                self.class_sum[kind] += enrich * mass / seen;
                self.class_rows[kind] += 1;
            }
        }
        for (&key, &slot) in g.same.row(query).iter().zip(g.same_slots(query)) {
            self.same[slot as usize] += enrich * f64::from(weights[key as usize]);
        }
        if self.wants_variation {
            self.vary(query, weights);
        }
        let is_text = !g.text_pairs.is_empty() && g.text.get(p).copied().unwrap_or(false);
        // A row with one key has no choice and tells nothing about offsets.
        (if n >= 2.0 { enrich } else { 0.0 }, if is_text { enrich } else { 0.0 })
    }

    /// Divergence of a row from those a lag before it.
    fn vary(&mut self, query: usize, weights: &[f32]) {
        let g = self.g;
        let range = g.mask.range(query, g.keys);
        for (slot, lag) in Request::LAGS.into_iter().enumerate() {
            let Some(earlier) = self.recent.len().checked_sub(lag) else { continue };
            let other = g.mask.range(query - lag, g.keys);
            let common = range.start.max(other.start)..range.end.min(other.end);
            // Rows farther apart than a window share no key.
            if common.is_empty() {
                continue;
            }
            // A hidden key may carry weight in a foreign map: it is in nobody's support.
            let keep = &g.keep[common.clone()];
            if let Some(js) = jensen_shannon(&weights[common.clone()], &self.recent[earlier][common], keep) {
                self.variation[slot].0 += js / std::f64::consts::LN_2;
                self.variation[slot].1 += 1;
            }
        }
    }

    /// Enrichment at near and far distances, with the moments of the near one under within-row permutation.
    fn near_and_far(&mut self, weights: &[f32], query: usize, enrich: f64, n: f64, squares: f64) {
        let g = self.g;
        let p = g.position(query);
        let (mut c1, mut c2) = (0.0, 0.0);
        for (distance, &c) in g.near_weight.iter().enumerate().skip(1) {
            let left = p.checked_sub(distance);
            for key in left.into_iter().chain(Some(p + distance)) {
                if key < g.keys && g.mask.admits(query, key, g.keys) {
                    self.near.0 += c * enrich * f64::from(weights[key]);
                    c1 += c;
                    c2 += c * c;
                }
            }
        }
        // sum_k c_k x_pi(k) has mean c1 x mean(x) and variance (c2 - c1^2 / n) x sum (x - mean)^2 / (n - 1);
        // here x = n p has mean 1 and sum of squares n (n sum p^2 - 1).
        self.near.1 += c1;
        if n >= 2.0 {
            self.near.2 += (c2 - c1 * c1 / n).max(0.0) * (n * (n * squares - 1.0)).max(0.0) / (n - 1.0);
        }
        if let Some((from, _)) = g.far {
            let range = g.mask.range(query, g.keys);
            let left = range.start..range.end.min((p + 1).saturating_sub(from));
            let right = range.start.max(p + from)..range.end;
            for side in [left, right].into_iter().filter(|side| !side.is_empty()) {
                let mass = rows::dispatch(
                    #[inline(always)]
                    || rows::sum_kept(&weights[side.clone()], &g.keep[side]),
                );
                self.far += enrich * mass;
            }
        }
    }

    /// The figures, once every row has passed; `None` of them for a map that was not kept.
    pub(crate) fn finish(self) -> HeadInput {
        let g = self.g;
        let has_weights = self.figures.has_weights;
        let mut f = self.figures;
        f.profile = self.profile;
        f.text_profile = self.text_profile;
        // From the index along the keys to that of the offset; a text is no partner of itself.
        f.profile.reverse();
        f.text_profile.reverse();
        if let Some(own) = f.text_profile.get_mut(g.keys - 1) {
            *own = 0.0;
        }
        if has_weights && g.queries > 0 {
            let share = |sum: f64, rows: usize| (rows > 0).then(|| sum / rows as f64);
            f.sharpness = share(self.entropy[0], self.entropy_rows);
            f.divergence_uniform = share(self.entropy[1], self.entropy_rows);
            f.effective_keys = share(self.entropy[2], self.entropy_rows);
            if !g.near_weight.is_empty() {
                f.near = Some(self.near.0);
                let spread = self.near.2.sqrt();
                f.near_p =
                    (spread > 1e-9).then(|| crate::statistics::upper_normal((self.near.0 - self.near.1) / spread));
            }
            f.far = g.far.map(|(_, pairs)| self.far / pairs as f64);
            for kind in 0..3 {
                f.classes[kind] = share(self.class_sum[kind], self.class_rows[kind]);
            }
            f.repeat = contrast(g, &self.same, &f.text_profile);
            f.variation = self.variation.map(|(sum, rows)| share(sum, rows));
        }
        if let Some(s) = &self.statistics {
            from_statistics(&mut f, s, g);
        }
        // Only rows that do not sum to one within f32 make it worth knowing how coarse the numbers are.
        if !has_weights || f.row_sum_error.is_none_or(|e| e <= 1e-6) {
            f.precision = 0;
        }
        f.unfit = unfit(&f, g);
        f
    }
}

/// Why a map cannot be judged beyond correctness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unfit {
    /// Neither the map nor its statistics were kept.
    NotKept,
    /// So many rows of so many hold what is not a number.
    NotFinite { rows: usize, of: usize },
    /// No row sees a key.
    NoKey,
    /// No row that sees a key puts mass on it.
    NoMass,
    /// The most negative weight.
    Negative { lowest: f64 },
}

fn unfit(f: &HeadInput, g: &Geometry) -> Option<Unfit> {
    if !f.has_weights && !f.has_statistics {
        return Some(Unfit::NotKept);
    }
    if f.invalid_rows > 0 {
        return Some(Unfit::NotFinite { rows: f.invalid_rows, of: g.queries });
    }
    if f.empty_rows >= g.queries {
        return Some(Unfit::NoKey);
    }
    if f.has_weights && f.empty_rows + f.massless_rows >= g.queries {
        return Some(Unfit::NoMass);
    }
    if f.lowest < -1e-6 {
        return Some(Unfit::Negative { lowest: f.lowest });
    }
    None
}

/// Same-token less different-token enrichment at equal offset, weighted by the same-token pairs.
///
/// `same` holds the enrichment of the same-token pairs at each of [`Geometry::same_offsets`]. Offsets without a
/// different-token pair have no partner and stay out.
pub(crate) fn contrast(g: &Geometry, same: &[f64], text_profile: &[f64]) -> Option<f64> {
    if g.text_pairs.is_empty() || text_profile.is_empty() {
        return None;
    }
    let (mut sum, mut count) = (0.0, 0u64);
    for (&(offset, pairs), &total) in g.same_offsets.iter().zip(same) {
        let others = g.text_pairs[offset as usize].saturating_sub(pairs);
        if others > 0 {
            let different = (text_profile[offset as usize] - total) / f64::from(others);
            sum += total - f64::from(pairs) * different;
            count += u64::from(pairs);
        }
    }
    (count > 0).then(|| sum / count as f64)
}

/// Largest entropy of n probabilities whose squares sum to `squares`: one spike, the rest equal.
pub(crate) fn one_spike_entropy(n: f64, squares: f64) -> f64 {
    if n < 2.0 {
        return 0.0;
    }
    let spike = ((1.0 + ((n - 1.0) * (n * squares - 1.0)).max(0.0).sqrt()) / n).min(1.0);
    let rest = (1.0 - spike) / (n - 1.0);
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(spike) + (n - 1.0) * term(rest)
}

/// What the model's own row statistics add: they stand above figures from recomputed maps, and alone without maps.
fn from_statistics(f: &mut HeadInput, s: &HeadStatistics, g: &Geometry) {
    f.has_statistics = true;
    f.invalid_rows = f.invalid_rows.max(s.invalid_rows);
    f.empty_rows = f.empty_rows.max(s.empty_rows);
    let worst = |xs: &[f32]| {
        xs.iter().enumerate().filter(|(_, x)| !x.is_nan()).fold(None, |worst: Option<(f64, usize)>, (row, &x)| {
            let x = f64::from(x).abs();
            if worst.is_none_or(|(most, _)| x > most) { Some((x, row)) } else { worst }
        })
    };
    if let Some((error, row)) = worst(&s.row_sum_error) {
        f.row_sum_error = Some(error);
        f.row_sum_row = row;
    }
    if let Some((mass, row)) = worst(&s.forbidden_mass)
        && f.forbidden.is_none_or(|(most, _)| mass > most)
    {
        f.forbidden = Some((mass, row));
    }
    if s.entropy.len() == g.queries {
        let (mut sums, mut rows) = ([0.0; 3], 0usize);
        let mut excess = None;
        for (row, &h) in s.entropy.iter().enumerate().filter(|(_, h)| !h.is_nan()) {
            let n = f64::from(g.visible[row]);
            if n < 2.0 {
                continue;
            }
            let h = f64::from(h);
            sums[0] += 1.0 - h / n.ln();
            sums[1] += n.ln() - h;
            sums[2] += h.exp();
            rows += 1;
            if let Some(&participation) = s.participation.get(row)
                && participation > 0.0
                && s.sink_mass.is_empty()
            {
                let squares = 1.0 / f64::from(participation);
                let bound = s.entropy_bound.get(row).map_or(0.0, |&b| f64::from(b));
                let over = (h - one_spike_entropy(n, squares)).max(-squares.ln() - h).max(bound - h).max(h - n.ln());
                excess = Some(excess.map_or(over, |most: f64| most.max(over)));
            }
        }
        f.bound_excess = excess;
        if rows > 0 {
            let mean = |sum: f64| Some(sum / rows as f64);
            (f.sharpness, f.divergence_uniform, f.effective_keys) = (mean(sums[0]), mean(sums[1]), mean(sums[2]));
        }
    }
    if s.divergence.len() == Request::LAGS.len() {
        for (slot, (rows, lag)) in s.divergence.iter().zip(Request::LAGS).enumerate() {
            let values = rows.iter().enumerate().filter(|(_, x)| !x.is_nan()).map(|(_, &x)| f64::from(x));
            let (sum, mut count) = values.fold((0.0, 0usize), |(sum, count), x| (sum + x, count + 1));
            // Rows that share one key are both certain of it: they do not differ.
            count += (lag..rows.len()).filter(|&row| rows[row].is_nan() && g.share_one_key(row, row - lag)).count();
            f.variation[slot] = (count > 0).then(|| sum / count as f64 / std::f64::consts::LN_2);
        }
    }
    if f.has_weights {
        return;
    }
    // The histogram's first bin holds the query itself; near is read only where a bin is one distance wide.
    if s.distance_bin_width == 1 && !g.near_weight.is_empty() {
        let mut sum = 0.0;
        for (d, &c) in g.near_weight.iter().enumerate().filter(|(_, c)| **c > 0.0) {
            sum += c * s.distance_enrichment.get(d).copied().unwrap_or(0.0);
        }
        f.near = Some(sum);
    }
}

/// The coarsest floating-point format that holds every number: 0 f32, 1 f16, 2 bf16.
pub(crate) fn precision_of(weights: &[f32]) -> u8 {
    // Below 2^-14 f16 has fewer bits still, and f32 keeps what it reads exactly.
    if weights.iter().all(|w| w.to_bits() & 0xFFFF == 0) {
        2
    } else if weights.iter().all(|&w| w.to_bits() & 0x1FFF == 0) {
        1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four keys: uniform (squares 1/4) gives ln 4, one-hot 0; (0.7, 0.1, 0.1, 0.1) is the one-spike law itself.
    #[test]
    fn the_one_spike_bound_is_reached_by_the_one_spike_law() {
        assert!((one_spike_entropy(4.0, 0.25) - 4f64.ln()).abs() < 1e-12);
        assert!(one_spike_entropy(4.0, 1.0).abs() < 1e-12);
        let h = -(0.7 * 0.7f64.ln() + 0.3 * 0.1f64.ln());
        assert!((one_spike_entropy(4.0, 0.52) - h).abs() < 1e-12);
        // A row of 128 keys with standard deviation 0.0243 cannot have 98.3 % of the largest entropy.
        let squares = 128.0 * 0.0243f64.powi(2) + 1.0 / 128.0;
        assert!((one_spike_entropy(128.0, squares) / 128f64.ln() - 0.840).abs() < 5e-4);
    }

    #[test]
    fn precision_is_read_from_the_bits() {
        assert_eq!(precision_of(&[0.5, 0.25, 0.0]), 2);
        assert_eq!(precision_of(&[0.333_251_95, 0.5]), 1);
        assert_eq!(precision_of(&[1.0 / 3.0]), 0);
    }
}
