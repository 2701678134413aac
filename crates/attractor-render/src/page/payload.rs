//! What the page's script is given: each head's map as bytes for pixels, and its strongest links exactly.
//!
//! One [`Payload`] travels as JSON in `script#maps`; `viewer/src/schema.ts` is generated from these types. The
//! report itself travels beside it in `script#report`.
//!
//! # Codes
//! A cell is one byte on a logarithmic scale, good for colours and for two digits, never for arithmetic:
//!
//! | code      | meaning                                                          |
//! |-----------|------------------------------------------------------------------|
//! | 0         | the mask allows no pair of the cell, and it holds nothing        |
//! | 1         | below `low`, most often exactly zero                             |
//! | 2 ..= 170 | `low` (`high` / `low`)^((code - 2) / 168)                        |
//! | 255       | no finite number                                                 |
//!
//! 168 steps over five decades tell a weight within 3.5 %, in less room than all 252 would take.
//!
//! The bytes stand row by row, are compressed by deflate (raw, RFC 1951) and written in base64.

use std::io::{Read as _, Write as _};

use attractor_record::{Origin, Token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use super::read::Read;
use crate::canvas::colour::ColourMap;
use crate::maps::map::CellSource;

/// Version of the payload's form; the script refuses any other.
pub const VERSION: u32 = 2;

/// Code of a cell that the mask forbids.
pub const MASKED: u8 = 0;
/// Code of a cell that is not a finite number.
pub const NOT_A_NUMBER: u8 = 255;
/// Steps of the logarithmic scale.
const STEPS: f64 = 168.0;
/// Smallest share of a map's largest weight that is told from nothing.
const DEPTH: f32 = 1e-5;

/// Everything that the script draws from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// [`VERSION`].
    pub version: u32,
    /// Colour maps, the page's own first.
    pub palettes: Vec<Palette>,
    /// The inputs whose maps are here.
    pub inputs: Vec<InputTokens>,
    /// The maps.
    pub maps: Vec<CodedMap>,
    /// Heads without a map, by reason.
    pub without: Vec<Without>,
}

/// A colour map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Palette {
    /// Its name.
    pub name: String,
    /// 256 times red, green, blue; base64.
    pub colours: String,
}

/// An input's tokens, as untrusted as they came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputTokens {
    /// The entry of the report, as maps and checks name it.
    pub input: usize,
    /// The input that the entry shows, and at which step.
    pub origin: Origin,
    /// Texts, one per position; empty if unknown.
    pub texts: Vec<String>,
    /// Positions that stand for no piece of the input.
    pub special: Vec<usize>,
    /// Number of leading positions that were given, if that is known.
    pub prompt: Option<usize>,
}

/// A head's map on an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodedMap {
    /// Layer, the model's own number.
    pub layer: usize,
    /// Head, the model's own number.
    pub head: usize,
    /// Which input.
    pub input: usize,
    /// Cells down; cell row a covers queries floor(a queries / rows) to floor((a + 1) queries / rows).
    pub rows: usize,
    /// Cells across, in the same way.
    pub columns: usize,
    /// Queries.
    pub queries: usize,
    /// Keys.
    pub keys: usize,
    /// True if the weights were not kept: the cells are pooled maxima that the capture kept.
    pub kept: bool,
    /// Weight of code 2.
    pub low: f32,
    /// Weight of code 170, the largest of the map.
    pub high: f32,
    /// The codes, [rows x columns].
    pub cells: String,
    /// (query, key, weight): the pairs that stand out most from a uniform row, strongest first; exact.
    pub links: Vec<(usize, usize, f32)>,
    /// (key, mean weight): keys that hold more than 0.3 of what the queries that see them give away.
    pub sinks: Vec<(usize, f32)>,
    /// Mean weight that each cell row's queries give to `sinks`, in 65535ths, little-endian, base64; empty without
    /// sinks.
    pub sunk: String,
}

/// Heads without a map, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Without {
    /// The reason, in words.
    pub why: String,
    /// (layer, head, input).
    pub heads: Vec<(usize, usize, usize)>,
}

/// The colour maps that the script offers, `first` before the others.
pub fn palettes(first: ColourMap) -> Vec<Palette> {
    let sequential = [ColourMap::Viridis, ColourMap::Cividis, ColourMap::Magma, ColourMap::Blues];
    let own = (!sequential.contains(&first)).then_some(first);
    let mut all: Vec<ColourMap> = own.into_iter().chain(sequential).collect();
    all.sort_by_key(|map| *map != first);
    let colours =
        |map: ColourMap| STANDARD.encode((0..256).flat_map(|i| map.at(i as f64 / 255.0)).collect::<Vec<u8>>());
    all.into_iter().map(|map| Palette { name: format!("{map:?}"), colours: colours(map) }).collect()
}

/// An input's tokens for the script.
pub fn tokens(input: usize, origin: Origin, tokens: &[Token], prompt: Option<usize>) -> InputTokens {
    let special =
        tokens.iter().enumerate().filter(|(_, t)| t.role.is_special()).map(|(position, _)| position).collect();
    InputTokens { input, origin, texts: tokens.iter().map(|t| t.text.clone()).collect(), special, prompt }
}

/// A head's map for the script, with its `most` strongest links.
pub(super) fn coded(read: &Read, most: usize) -> CodedMap {
    let (head, map) = (&read.head, &read.head.map);
    let admitted = || map.cells.iter().enumerate().filter(|(cell, _)| !map.is_forbidden(*cell)).map(|(_, c)| *c);
    let positive = || admitted().filter(|c| c.is_finite() && *c > 0.0);
    let high = positive().reduce(f32::max).unwrap_or(1.0);
    let low = positive().filter(|c| *c >= high * DEPTH).reduce(f32::min).unwrap_or(high);
    let codes: Vec<u8> = map
        .cells
        .iter()
        .enumerate()
        .map(|(cell, &value)| if map.is_forbidden(cell) { MASKED } else { code(value, low, high) })
        .collect();
    CodedMap {
        layer: head.layer,
        head: head.head,
        input: head.input,
        rows: map.rows,
        columns: map.columns,
        queries: map.queries,
        keys: map.keys,
        kept: head.origin == CellSource::Pooled,
        low,
        high,
        cells: STANDARD.encode(deflate(&codes)),
        links: head.links.iter().take(most).map(|l| (l.query, l.key, l.weight)).collect(),
        sinks: read.sinks.clone(),
        sunk: STANDARD.encode(read.sunk.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>()),
    }
}

fn code(value: f32, low: f32, high: f32) -> u8 {
    if !value.is_finite() {
        return NOT_A_NUMBER;
    }
    if value < low || value <= 0.0 {
        return 1;
    }
    let span = f64::from(high / low).ln();
    let place = if span > 0.0 { f64::from(value / low).ln() / span } else { 1.0 };
    2 + (STEPS * place.clamp(0.0, 1.0)).round() as u8
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(8));
    // Writing into memory cannot fail.
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.unwrap_or_default()
}

impl CodedMap {
    /// The weights that the codes stand for, [rows x columns]: 0 for what is masked or below `low`, NaN for what is no
    /// number.
    ///
    /// # Errors
    /// In words: what is no base64 or deflate, or another number of cells than rows x columns.
    pub fn weights(&self) -> Result<Vec<f32>, String> {
        let count = self.rows.checked_mul(self.columns).ok_or("map: too many cells")?;
        let bytes = STANDARD.decode(&self.cells).map_err(|e| format!("map: cells are not base64: {e}"))?;
        let mut codes = Vec::new();
        // One byte more than fits tells of too many without reading them all.
        let limit = count as u64 + 1;
        let inflated = DeflateDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut codes);
        inflated.map_err(|e| format!("map: cells cannot be inflated: {e}"))?;
        if codes.len() != count {
            return Err(format!("map: {} codes for {} x {} cells", codes.len(), self.rows, self.columns));
        }
        Ok(codes.into_iter().map(|code| self.weight(code)).collect())
    }

    fn weight(&self, code: u8) -> f32 {
        match code {
            0 | 1 => 0.0,
            NOT_A_NUMBER => f32::NAN,
            code => self.low * (self.high / self.low).powf((f32::from(code) - 2.0) / STEPS as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::map::{HeadMap, Link, Map};

    fn read(cells: Vec<f32>, rows: usize, columns: usize) -> Read {
        let map = Map::exact(cells, rows, columns).unwrap();
        let links = vec![Link { query: 1, key: 0, weight: 0.123_456_79 }];
        let head = HeadMap { layer: 3, head: 5, input: 0, map, links, origin: CellSource::Weights };
        Read { head, sinks: vec![(0, 0.5)], sunk: vec![0, 65535, 257] }
    }

    #[test]
    fn weights_come_back_within_half_a_step() {
        let cells: Vec<f32> = (0..91).map(|i| 0.9 * 0.86f32.powi(i)).collect();
        let map = coded(&read(cells.clone(), 7, 13), 9);
        let half = (f64::from(map.high / map.low).ln() / STEPS / 2.0).exp_m1() as f32 * 1.01;
        assert!(half < 0.036, "{half}");
        for (there, back) in cells.iter().zip(map.weights().unwrap()) {
            if *there < map.low {
                assert_eq!(back, 0.0);
            } else {
                assert!((back - there).abs() <= half * there, "{there} came back as {back}");
            }
        }
    }

    #[test]
    fn nothing_nan_and_masked_have_codes_of_their_own() {
        let mut own = read(vec![0.0, 0.5, f32::NAN, f32::INFINITY, 0.5, -0.25], 2, 3);
        own.head.map.forbidden = vec![false, false, false, false, true, false];
        let map = coded(&own, 9);
        let back = map.weights().unwrap();
        assert_eq!((back[0], back[1], back[4], back[5]), (0.0, 0.5, 0.0, 0.0));
        assert!(back[2].is_nan() && back[3].is_nan());
        // Nothing but zeros, and nothing but NaN.
        assert_eq!(coded(&read(vec![0.0; 4], 2, 2), 9).weights().unwrap(), [0.0; 4]);
        assert!(coded(&read(vec![f32::NAN; 4], 2, 2), 9).weights().unwrap().iter().all(|w| w.is_nan()));
    }

    #[test]
    fn the_payload_survives_json_bit_by_bit() {
        let map = coded(&read(vec![0.3, 0.7, 1e-9, 0.25], 2, 2), 9);
        assert_eq!(map.links, [(1, 0, 0.123_456_79)]);
        let without = vec![Without { why: "</script>".into(), heads: vec![(1, 2, 0)] }];
        let input = InputTokens {
            input: 0,
            origin: Origin::at(0, 8),
            texts: vec!["\u{202E}<b>".into(), "x".into()],
            special: vec![1],
            prompt: None,
        };
        let maps = vec![map];
        let payload =
            Payload { version: VERSION, palettes: palettes(ColourMap::Cividis), inputs: vec![input], maps, without };
        assert_eq!(payload.palettes[0].name, "Cividis");
        assert_eq!(payload.palettes.len(), 4);
        let text = serde_json::to_string(&payload).unwrap();
        assert_eq!(serde_json::from_str::<Payload>(&text).unwrap(), payload);
    }

    #[test]
    fn cells_that_contradict_their_shape_are_refused() {
        let map = coded(&read(vec![0.3; 6], 2, 3), 9);
        assert!(CodedMap { rows: 3, ..map.clone() }.weights().unwrap_err().contains("6 codes for 3 x 3 cells"));
        assert!(CodedMap { rows: 1, ..map.clone() }.weights().is_err());
        assert!(CodedMap { cells: "%%".into(), ..map.clone() }.weights().unwrap_err().contains("base64"));
        assert!(CodedMap { cells: "AAAA".into(), ..map }.weights().is_err());
    }
}
