//! The sets that are built in.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::Samples;
use attractor::{Error, Result};

/// Names of the sets.
pub(super) const NAMES: [&str; 3] = ["glyphs-5", "glyphs-8", "digits"];

/// Zero, one and a cross.
const GLYPHS_5: [[&str; 5]; 3] = [
    [".###.", "#...#", "#...#", "#...#", ".###."],
    ["..#..", "..#..", "..#..", "..#..", "..#.."],
    ["#...#", ".#.#.", "..#..", ".#.#.", "#...#"],
];

/// See `data/pack.py`.
const DIGITS: &[u8] = include_bytes!("../../data/digits.bin");
const COUNT: usize = 1797;
const SIDE: usize = 8;

pub(super) fn named(name: &str) -> Result<Option<Samples>> {
    let samples = match name {
        "glyphs-5" => glyphs_5()?,
        "glyphs-8" => glyphs_8()?,
        "digits" => digits()?,
        _ => return Ok(None),
    };
    Ok(Some(Samples { source: name.to_string(), ..samples }))
}

fn glyphs_5() -> Result<Samples> {
    let bright = |c: u8| f32::from(u8::from(c == b'#'));
    let values = GLYPHS_5.iter().flatten().flat_map(|line| line.bytes()).map(bright).collect();
    Samples::new(GLYPHS_5.len(), values, Some((5, 5)))
}

/// Two upright and two lying bars, both diagonals, a border, a cross, a checkerboard and an X.
fn glyphs_8() -> Result<Samples> {
    type Lit = fn(usize, usize) -> bool;
    let glyphs: [Lit; 10] = [
        |_, x| x == 2,
        |_, x| x == 5,
        |y, _| y == 2,
        |y, _| y == 5,
        |y, x| x == y,
        |y, x| x == 7 - y,
        |y, x| [y, x].iter().any(|&at| at == 0 || at == 7),
        |y, x| y == 4 || x == 4,
        |y, x| (y + x) % 2 == 0,
        |y, x| x == y || x == 7 - y,
    ];
    let cells = || (0..SIDE * SIDE).map(|at| (at / SIDE, at % SIDE));
    let values = glyphs.iter().flat_map(|lit| cells().map(|(y, x)| f32::from(u8::from(lit(y, x))))).collect();
    Samples::new(glyphs.len(), values, Some((SIDE, SIDE)))
}

fn digits() -> Result<Samples> {
    let mut raw = Vec::new();
    ZlibDecoder::new(DIGITS)
        .read_to_end(&mut raw)
        .map_err(|error| Error::format(format!("digits: {error}")).because(error))?;
    let pixels = COUNT * SIDE * SIDE;
    let values = raw[..pixels].iter().map(|&level| f32::from(level) / 16.0).collect();
    let test = raw[pixels + COUNT..].as_chunks::<2>().0.iter().map(|&pair| usize::from(u16::from_le_bytes(pair)));
    let samples = Samples::new(COUNT, values, Some((SIDE, SIDE)))?;
    Ok(Samples { labels: raw[pixels..pixels + COUNT].to_vec(), test: test.collect(), ..samples })
}
