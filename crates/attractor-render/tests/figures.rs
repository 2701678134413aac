//! Figures: well-formed, labelled, honest about pooling and about what is not a number.

mod common;

use attractor_render::canvas::colour::{ColourMap, NAN, hex};
use attractor_render::canvas::scale::Scale;
use attractor_render::figures::grid::{Overview, layer_grid, overview};
use attractor_render::figures::heatmap::{Style, heatmap};
use attractor_render::maps::map::{self, CellSource, Map};
use attractor_render::maps::transform::without_keys;
use common::{Kind, Maps, xml};
use proptest::prelude::*;

/// The pixels of the n-th PNG in a figure, RGBA rows.
fn pixels(svg: &str, number: usize) -> (usize, usize, Vec<[u8; 4]>) {
    use base64::Engine as _;
    let mark = "data:image/png;base64,";
    let start = svg.match_indices(mark).nth(number).unwrap().0 + mark.len();
    let data = &svg[start..start + svg[start..].find('"').unwrap()];
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().unwrap();
    let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut buffer).unwrap();
    let pixels = buffer.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect();
    (info.width as usize, info.height as usize, pixels)
}

fn opaque([r, g, b]: [u8; 3]) -> [u8; 4] {
    [r, g, b, 255]
}

#[test]
fn rows_are_queries_and_columns_are_keys() {
    let maps = Maps::new(vec![vec![Kind::Previous]], 1, 12);
    let head = map::read(&maps, 0, 0, 0, map::SIDE).unwrap().unwrap();
    assert_eq!(head.origin, CellSource::Weights);
    let tokens: Vec<&str> = maps.tokens[0].iter().map(|t| t.text.as_str()).collect();
    let svg = heatmap(&head.map, "L0H0", &tokens, &Style::default()).unwrap();
    xml::check(&svg).unwrap();
    let (width, height, pixels) = pixels(&svg, 0);
    assert_eq!((width, height), (12, 12));
    let brightness = |row: usize, column: usize| pixels[row * 12 + column][1];
    for row in 1..12 {
        let brightest = (0..=row).max_by_key(|&column| brightness(row, column)).unwrap();
        assert_eq!(brightest, row - 1);
        // Above the diagonal nothing is drawn.
        assert!((row + 1..12).all(|column| pixels[row * 12 + column][3] == 0));
        assert_eq!(pixels[row * 12 + row][3], 255);
    }
    assert!(svg.contains("query (destination)") && svg.contains("key (source)") && svg.contains(">L0H0<"));
    assert!(svg.contains("image-rendering:pixelated"));
    assert!(svg.matches("␣").count() >= 2, "tokens stand at both axes");
    for number in ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"] {
        assert!(svg.contains(&format!(">{number}</text>")), "{number} at the colour bar");
    }
}

#[test]
fn a_stripe_in_a_long_map_keeps_its_colour_and_the_figure_says_it_was_pooled() {
    let n = 4096;
    let mut pool = map::Pool::new(n, n, map::SIDE).unwrap();
    for query in 0..n {
        let mut row = vec![0.0; n];
        row[query.saturating_sub(300)] = 0.9;
        pool.add(query, &row, |key| key <= query);
    }
    let map = pool.finish();
    assert_eq!(map.peak(), Some(0.9));
    let svg = heatmap(&map, "L5H5", &[], &Style::default()).unwrap();
    xml::check(&svg).unwrap();
    assert!(svg.contains("4096 × 4096 weights; a cell is the maximum of 32 × 32"), "{svg}");
    let (width, height, pixels) = pixels(&svg, 0);
    assert_eq!((width, height), (128, 128));
    let level = (0.9f64 * 253.0).round() / 253.0;
    let stripe = opaque(ColourMap::Viridis.at(level));
    for row in 0..128 {
        assert!(pixels[row * 128..(row + 1) * 128].contains(&stripe), "row {row}");
    }
}

#[test]
fn cells_that_are_not_numbers_have_their_own_colour_and_are_counted() {
    let mut map = Map::exact(vec![0.5; 36], 6, 6).unwrap();
    map.cells[8] = f32::NAN;
    map.cells[20] = f32::INFINITY;
    let svg = heatmap(&map, "L0H0", &[], &Style::default()).unwrap();
    let (_, _, pixels) = pixels(&svg, 0);
    let bad: Vec<usize> = (0..36).filter(|&i| pixels[i] == opaque(NAN)).collect();
    assert_eq!(bad, [8, 20]);
    assert!(svg.contains("NaN: 2") && svg.contains(&hex(NAN)));

    let maps = Maps::new(vec![vec![Kind::Nan]], 1, 400);
    let head = map::read(&maps, 0, 0, 0, 64).unwrap().unwrap();
    assert!(head.map.not_numbers() > 0 && head.links.iter().all(|l| l.weight.is_finite()));
}

#[test]
fn the_reader_gives_the_same_cells_whatever_the_strips() {
    // 2100 keys: a strip of four million weights does not hold all rows.
    let n = 2100;
    let maps = Maps::new(vec![vec![Kind::Induction, Kind::Sink]], 1, n);
    let head = map::read(&maps, 0, 0, 0, 100).unwrap().unwrap();
    use attractor_record::Patterns as _;
    let weights = |head| maps.weights(0, head, 0, 0..n).unwrap().unwrap();
    let whole = Map::exact(weights(0), n, n).unwrap().pooled(100).unwrap();
    assert_eq!(head.map.cells, whole.cells);
    assert_eq!(head.links.len(), 5);
    assert!(head.links.windows(2).all(|w| w[0].weight >= w[1].weight - 0.01));

    let hidden = map::read_hiding(&maps, (0, 1, 0), 100, &[7, 0]).unwrap().unwrap().map;
    let whole = Map::exact(weights(1), n, n).unwrap().causal().unwrap();
    let whole = without_keys(&whole, &[0, 7]).unwrap().pooled(100).unwrap();
    assert_eq!((hidden.cells, &hidden.notes[0]), (whole.cells, &whole.notes[0]));
    assert!(hidden.notes[0].starts_with("keys 0, 7 are hidden, rows renormalised"), "{:?}", hidden.notes);
    assert!(map::read_hiding(&maps, (0, 1, 0), 100, &[n]).unwrap_err().to_string().contains("hide = 2100"));
}

#[test]
fn heads_side_by_side_share_a_scale() {
    let maps = Maps::new(vec![vec![Kind::Previous, Kind::Uniform, Kind::Sink]], 1, 60);
    let heads: Vec<_> = (0..3).map(|h| map::read(&maps, 0, h, 0, 48).unwrap().unwrap()).collect();
    let svg = layer_grid(&heads.iter().collect::<Vec<_>>(), "Layer 0", &Style::default(), true).unwrap();
    let elements = xml::check(&svg).unwrap();
    assert_eq!(elements.iter().filter(|e| e.name == "a").count(), 3);
    let (_, _, previous) = pixels(&svg, 0);
    let (_, _, uniform) = pixels(&svg, 1);
    let brightest = |pixels: &[[u8; 4]]| pixels[48 * 20..].iter().filter(|p| p[3] == 255).map(|p| p[1]).max().unwrap();
    assert!(brightest(&previous) > 190 && brightest(&uniform) < 60);
    xml::check(&layer_grid(&[], "Layer 3", &Style::default(), false).unwrap()).unwrap();
}

#[test]
fn the_overview_places_heads_by_their_own_numbers() {
    let heads = [(2, 1, Some(0.0)), (2, 7, Some(1.0)), (9, 1, Some(0.5)), (9, 7, None)];
    let style = Style::default();
    let svg = overview(&Overview { title: "Sharpness", heads: &heads, linked: true }, &style).unwrap().unwrap();
    let elements = xml::check(&svg).unwrap();
    let links: Vec<&str> = elements.iter().filter_map(|e| e.attribute("href")).filter(|h| h.starts_with('#')).collect();
    assert_eq!(links, ["#L2H1", "#L2H7", "#L9H1", "#L9H7"]);
    let (width, height, pixels) = pixels(&svg, 0);
    assert_eq!((width, height), (2, 2));
    assert_eq!(pixels[0], opaque(style.colours.at(0.0)));
    assert_eq!(pixels[1], opaque(style.colours.at(1.0)));
    assert_eq!(pixels[3][3], 0, "what is not testable is no colour");
    assert!(overview(&Overview { title: "x", heads: &[], linked: false }, &style).unwrap().is_none());
}

#[test]
fn hostile_labels_stay_text() {
    let map = Map::exact(vec![0.25; 16], 4, 4).unwrap();
    let tokens = ["</text><script>", "\u{202E}x\u{0}", "\"'&", "]]><!--"];
    let svg = heatmap(&map, "<L0H0 \u{202E}>", &tokens, &Style::default()).unwrap();
    let elements = xml::check(&svg).unwrap();
    assert!(elements.iter().all(|e| e.name != "script"));
    assert!(!svg.contains('\u{202E}') && svg.contains("[U+202E]"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any shape, any numbers, any scale, any labels: a figure, never a panic.
    #[test]
    fn any_map_is_drawn(
        rows in 1usize..50,
        columns in 1usize..50,
        seed in any::<u64>(),
        labels in prop::collection::vec(any::<String>(), 0..50),
        (low, ratio, log) in (1e-9f64..1.0, 1.0001f64..1e9, any::<bool>()),
    ) {
        let strange = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0, 1e-38, 0.3, 1e30];
        let cells = (0..rows * columns).map(|i| strange[(seed.rotate_left(i as u32 % 64) % 8) as usize]).collect();
        let map = Map::exact(cells, rows, columns).unwrap();
        let scale = if log { Scale::log(low, low * ratio) } else { Scale::linear(low, low * ratio) }.unwrap();
        let style = Style { scale, colours: ColourMap::Cividis, ..Style::default() };
        let tokens: Vec<&str> = labels.iter().map(String::as_str).collect();
        let svg = heatmap(&map, "L0H0", &tokens, &style).unwrap();
        prop_assert!(xml::check(&svg).is_ok(), "{:?}", xml::check(&svg).err());
        prop_assert!(!svg.contains("=\"NaN\"") && !svg.contains("inf"));
    }
}
