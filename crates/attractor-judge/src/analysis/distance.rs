//! How far attention reaches: along a text, and across an image.
//!
//! text:   sum_ij A_ij |p_i - j| / sum_ij A_ij, tokens; without the first token, j runs from 1.
//! image:  d_ij = patch size x Euclidean distance on the patch grid (height and width by themselves); mean over query patches of sum_j A_ij d_ij, with
//!         the rows and columns of class and register tokens taken out. What those columns took is missing then, and
//!         the value is smaller for it; "renormalised" divides each row by what is left.
//! # Source
//! Text: Vig and Belinkov 2019 (recalled). Image: Dosovitskiy et al. 2021 and Raghu et al. 2021; not renormalised in the
//! Keras study (keras-io, `probing_vits.py`), so both values are given and named.

use attractor::retrieve::HeadStatistics;
use attractor_record::{Patterns, Role, Token};

use super::pass::{Taker, pass};
use attractor::Result;

/// Least share of the mass off the first token for which a distance without it is given.
const LEAST: f64 = 1e-6;

/// The patches among an input's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchGrid {
    /// Position, row and column of each patch, in the order of positions.
    pub patches: Vec<(usize, usize, usize)>,
}

impl PatchGrid {
    /// Reads the patches from their texts "row,col"; `None` without any, or if a text is none.
    pub fn of(tokens: &[Token]) -> Option<Self> {
        let place = |(at, token): (usize, &Token)| {
            let (row, column) = token.text.split_once(',')?;
            Some((at, row.trim().parse().ok()?, column.trim().parse().ok()?))
        };
        let patches: Vec<_> = tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.role == Role::Patch)
            .map(place)
            .collect::<Option<_>>()?;
        (!patches.is_empty()).then_some(Self { patches })
    }

    /// Rows and columns; `None` unless every place is taken once, row by row.
    pub fn shape(&self) -> Option<(usize, usize)> {
        let columns = self.patches.iter().map(|p| p.2).max()? + 1;
        let ordered = self.patches.iter().enumerate().all(|(i, p)| (p.1, p.2) == (i / columns, i % columns));
        (ordered && self.patches.len() % columns == 0).then(|| (self.patches.len() / columns, columns))
    }
}

/// Mean attention distance between patches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchDistance {
    /// With the weights as they are: smaller by the share that class and register tokens take.
    pub plain: f64,
    /// With each row divided by its weight on patches; NaN if no row has any.
    pub renormalised: f64,
}

/// Takes the rows of patches, and adds up how far they reach.
pub(super) struct Reach<'a> {
    grid: &'a PatchGrid,
    patch: [f64; 2],
    plain: f64,
    renormalised: f64,
    with_mass: usize,
}

impl<'a> Reach<'a> {
    /// `None` if a map of n queries and m keys does not have all the patches.
    pub(super) fn new(grid: &'a PatchGrid, patch: [f64; 2], (n, m): (usize, usize)) -> Option<Self> {
        let fits = grid.patches.iter().all(|&(at, ..)| at < n.min(m));
        fits.then_some(Self { grid, patch, plain: 0.0, renormalised: 0.0, with_mass: 0 })
    }

    /// The distances, once all rows have passed.
    pub(super) fn finish(self) -> PatchDistance {
        let plain = self.plain / self.grid.patches.len() as f64;
        PatchDistance { plain, renormalised: self.renormalised / self.with_mass as f64 }
    }
}

impl Taker for Reach<'_> {
    fn wants(&self, query: usize) -> bool {
        self.grid.patches.binary_search_by_key(&query, |&(at, ..)| at).is_ok()
    }

    fn take(&mut self, query: usize, line: &[f32]) {
        let Ok(own) = self.grid.patches.binary_search_by_key(&query, |&(at, ..)| at) else { return };
        let (_, row, column) = self.grid.patches[own];
        let (mut mass, mut reach) = (0.0, 0.0);
        for &(key, other_row, other_column) in &self.grid.patches {
            let w = f64::from(line[key]);
            mass += w;
            let apart = [row.abs_diff(other_row) as f64, column.abs_diff(other_column) as f64];
            reach += w * (self.patch[0] * apart[0]).hypot(self.patch[1] * apart[1]);
        }
        self.plain += reach;
        if mass > 0.0 {
            self.renormalised += reach / mass;
            self.with_mass += 1;
        }
    }
}

/// Mean attention distance of a head between patches; `patch` is their height and width in pixels, or [1, 1] for a
/// distance in patches.
///
/// `None` if the map was not kept.
/// # Errors
/// `is_format` if the patterns cannot be read.
pub fn of_patches(
    patterns: &dyn Patterns,
    layer: usize,
    head: usize,
    input: usize,
    grid: &PatchGrid,
    patch: [f64; 2],
) -> Result<Option<PatchDistance>> {
    let Some(mut reach) = Reach::new(grid, patch, patterns.shape(layer, input)?) else { return Ok(None) };
    let was_kept = pass(patterns, (layer, head, input), &mut [&mut reach])?;
    Ok(was_kept.then(|| reach.finish()))
}

/// Mean attention distance along a text, tokens; `without_first` leaves the first key out.
///
/// From row statistics, so that no map is needed: mean_distance_i less first_mass_i p_i. `None` if the statistics lack
/// either, or hardly any mass is off the first token.
pub fn of_statistics(s: &HeadStatistics, offset: usize, without_first: bool) -> Option<f64> {
    let (mut reach, mut mass, mut rows) = (0.0, 0.0, 0usize);
    for (query, &distance) in s.mean_distance.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
        let first = f64::from(*s.first_mass.get(query)?);
        let sink = s.sink_mass.get(query).map_or(0.0, |&x| f64::from(x));
        reach += f64::from(distance);
        mass += 1.0 - sink;
        if without_first && !first.is_nan() {
            reach -= first * (query + offset) as f64;
            mass -= first;
        }
        rows += 1;
    }
    (mass > LEAST * rows as f64).then(|| (reach / mass).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Maps, noise};

    /// A 14 x 14 grid behind a class token, and one head whose map is `cell(query, key)`.
    fn image(cell: impl Fn(usize, usize) -> f32) -> (Maps, PatchGrid) {
        let mut maps = Maps::causal(&[vec![0; 197]], 1).bidirectional();
        maps.tokens[0][0] = Token { text: "[CLS]".into(), id: 0, role: Role::Cls };
        for at in 0..196 {
            maps.tokens[0][at + 1] = Token { text: format!("{},{}", at / 14, at % 14), id: 0, role: Role::Patch };
        }
        let map: Vec<f32> = (0..197 * 197).map(|at| cell(at / 197, at % 197)).collect();
        let maps = maps.head(0, |_, _| map.clone());
        let grid = PatchGrid::of(&maps.tokens[0]).unwrap();
        assert_eq!(grid.shape(), Some((14, 14)));
        (maps, grid)
    }

    /// The mean distance of two patches drawn at random from the grid: by differences d of rows and columns, of which
    /// there are 14 for d = 0 and 2 (14 - d) else.
    fn analytic() -> f64 {
        let count = |d: usize| if d == 0 { 14.0 } else { 2.0 * (14 - d) as f64 };
        let mut sum = 0.0;
        for a in 0..14 {
            for b in 0..14 {
                sum += count(a) * count(b) * ((a * a + b * b) as f64).sqrt();
            }
        }
        16.0 * sum / 196.0f64.powi(2)
    }

    #[test]
    fn uniform_attention_has_the_analytic_distance_and_the_identity_none() {
        let (maps, grid) = image(|_, _| 1.0 / 197.0);
        let found = of_patches(&maps, 0, 0, 0, &grid, [16.0; 2]).unwrap().unwrap();
        assert!((found.renormalised - analytic()).abs() < 1e-4, "{found:?} {}", analytic());
        assert!(
            (found.plain - analytic() * 196.0 / 197.0).abs() < 1e-4,
            "the class token's share is missing: {found:?}"
        );
        let (maps, grid) = image(|i, j| f32::from(u8::from(i == j)));
        let found = of_patches(&maps, 0, 0, 0, &grid, [16.0; 2]).unwrap().unwrap();
        assert_eq!((found.plain, found.renormalised), (0.0, 0.0));
        // All mass on the class token: nothing is left to renormalise.
        let (maps, grid) = image(|_, j| f32::from(u8::from(j == 0)));
        let found = of_patches(&maps, 0, 0, 0, &grid, [16.0; 2]).unwrap().unwrap();
        assert!(found.plain == 0.0 && found.renormalised.is_nan(), "{found:?}");
    }

    /// One patch to the right, one down: 1 and sqrt 2 patches, by hand.
    #[test]
    fn neighbours_are_a_patch_away() {
        let (maps, grid) = image(|i, j| match i {
            0 => f32::from(u8::from(j == 0)),
            i if i % 14 == 0 => f32::from(u8::from(j + 1 == i)),
            i => f32::from(u8::from(j == i + 1)),
        });
        let found = of_patches(&maps, 0, 0, 0, &grid, [1.0; 2]).unwrap().unwrap();
        assert!((found.plain - 1.0).abs() < 1e-12, "{found:?}");
        // Neighbours in a row are a patch's width apart, whatever its height.
        let found = of_patches(&maps, 0, 0, 0, &grid, [99.0, 8.0]).unwrap().unwrap();
        assert!((found.plain - 8.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn text_distance_from_statistics_is_the_definition() {
        let n = 23;
        let map = noise(n, 1.4, 8, |_, j| if j == 0 { 2.0 } else { 0.0 });
        let mut s = HeadStatistics { queries: n, keys: n, ..HeadStatistics::default() };
        let (mut all, mut rest, mut mass, mut rest_mass) = (0.0, 0.0, 0.0, 0.0);
        for (i, row) in map.chunks_exact(n).enumerate() {
            s.first_mass.push(row[0]);
            s.mean_distance.push(row.iter().enumerate().map(|(j, w)| w * i.abs_diff(j) as f32).sum());
            for (j, &w) in row.iter().enumerate() {
                let (w, d) = (f64::from(w), i.abs_diff(j) as f64);
                all += w * d;
                mass += w;
                rest += if j > 0 { w * d } else { 0.0 };
                rest_mass += if j > 0 { w } else { 0.0 };
            }
        }
        assert!((of_statistics(&s, 0, false).unwrap() - all / mass).abs() < 1e-5);
        assert!((of_statistics(&s, 0, true).unwrap() - rest / rest_mass).abs() < 1e-4);
        s.mean_distance = vec![1.0; n];
        s.first_mass = vec![1.0; n];
        assert_eq!(of_statistics(&s, 0, true), None, "nothing is left");
        s.first_mass.clear();
        assert_eq!(of_statistics(&s, 0, true), None);
    }

    #[test]
    fn patches_that_form_no_grid_give_none() {
        let token = |text: &str| Token { text: text.into(), id: 0, role: Role::Patch };
        assert_eq!(PatchGrid::of(&[token("0,0"), token("x")]), None);
        assert_eq!(PatchGrid::of(&[]), None);
        assert_eq!(PatchGrid::of(&[token("0,1"), token("0,0")]).unwrap().shape(), None);
    }
}
