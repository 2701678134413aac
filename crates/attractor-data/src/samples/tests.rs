use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// Three images of 2 x 3 in bytes, as MNIST writes them.
fn idx() -> Vec<u8> {
    let header = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3];
    header.into_iter().chain((0..18).map(|x| x * 15)).collect()
}

#[test]
fn idx_is_read_plain_and_gzipped() {
    let plain = Samples::parse(&idx()).unwrap();
    assert_eq!((plain.count, plain.features, plain.image), (3, 6, Some((2, 3))));
    assert_eq!((plain.row(1)[0], plain.row(2)[5]), (90.0 / 255.0, 1.0));
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&idx()).unwrap();
    assert_eq!(Samples::parse(&packed.finish().unwrap()).unwrap(), plain);
}

#[test]
fn an_idx_header_that_lies_is_refused() {
    let mut longer = idx();
    longer[7] = 4;
    assert!(Samples::parse(&longer).unwrap_err().to_string().contains("header is wrong"));
    let mut huge = idx();
    huge[4..16].fill(0xFF);
    assert!(Samples::parse(&huge).unwrap_err().to_string().contains("more than 2^64"));
    assert!(Samples::parse(&idx()[..9]).unwrap_err().is_format());
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];
    assert!(Samples::parse(&labels).unwrap_err().to_string().contains("labels"));
    let none = [0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3];
    assert!(Samples::parse(&none).unwrap_err().is_format());
}

/// .npy of version 1.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    header += &" ".repeat((64 - (header.len() + 11) % 64) % 64);
    header += "\n";
    [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn arrays_count_rows_by_their_first_axis() {
    let floats: Vec<u8> = [0.5f32, 0.25, 1.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let read = Samples::parse(&npy("<f4", "(2, 2)", &floats)).unwrap();
    assert_eq!((read.count, read.image, read.picture(), read.row(1)), (2, None, (1, 2), &[1.0, 0.0][..]));
    let bytes = Samples::parse(&npy("|u1", "(1, 2, 2)", &[0, 51, 255, 102])).unwrap();
    assert_eq!((bytes.image, bytes.row(0)), (Some((2, 2)), &[0.0, 0.2, 1.0, 0.4][..]));
    let whole = Samples::parse(&npy("|i1", "(2, 2)", &[1, 0xFF, 0xFF, 1])).unwrap();
    assert_eq!(whole.values, [1.0, -1.0, -1.0, 1.0]);
    let nan: Vec<u8> = [0.5f32, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    let error = Samples::parse(&npy("<f4", "(2, 1)", &nan)).unwrap_err().to_string();
    assert!(error.contains("row 1, number 0: NaN"), "{error}");
    assert!(Samples::parse(&npy("<f4", "(4,)", &floats)).unwrap_err().is_format());
}

#[test]
fn tables_have_rows_of_one_length() {
    let read = Samples::parse(b"a,b\n1,0\n0,1\n\n1,1\n").unwrap();
    assert_eq!((read.count, read.features, read.values), (3, 2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]));
    assert_eq!(Samples::parse(b"1 -1 1\n-1 1 1").unwrap().count, 2);
    for (text, says) in [
        ("1,2\n3", "line 2 has 1 numbers"),
        ("1,2\n3,x", "line 2, column 2: \"x\""),
        ("", "is empty"),
        ("a,b\n", "no row of numbers"),
        ("1,inf", "number 1: inf"),
    ] {
        let error = Samples::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{text:?}: {error}");
    }
    assert!(Samples::parse(&[0xFF, 0xFE, 0, 1]).unwrap_err().to_string().contains("none of"));
}

#[test]
fn pictures_of_a_folder_have_one_size() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, (width, height): (u32, u32), pixels: &[u8]| {
        let file = std::fs::File::create(folder.path().join(name)).unwrap();
        let mut encoder = ::png::Encoder::new(file, width, height);
        encoder.set_color(::png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    };
    let source = folder.path().to_str().unwrap();
    assert!(Samples::read(source).unwrap_err().to_string().contains("no .png"));
    write("b.png", (2, 1), &[255, 0]);
    write("a.png", (2, 1), &[0, 51]);
    let read = Samples::read(source).unwrap();
    assert_eq!((read.count, read.image, read.values), (2, Some((1, 2)), vec![0.0, 0.2, 1.0, 0.0]));
    write("c.png", (1, 2), &[1, 2]);
    let error = Samples::read(source).unwrap_err().to_string();
    assert!(error.contains("c.png has 2 x 1 pixels, a.png 1 x 2"), "{error}");
    std::fs::write(folder.path().join("a.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    assert!(Samples::read(source).unwrap_err().to_string().contains("a.png: the PNG cannot be read"));
}

#[test]
fn what_is_built_in_is_what_it_should_be() {
    let small = Samples::read("glyphs-5").unwrap();
    assert_eq!((small.count, small.features), (3, 25));
    let overlap = |a: usize, b: usize| -> f32 {
        small.row(a).iter().zip(small.row(b)).map(|(x, y)| (2.0 * x - 1.0) * (2.0 * y - 1.0)).sum()
    };
    // Twelve, five and nine lit cells; two in common, and one.
    assert_eq!((overlap(0, 0), overlap(0, 1), overlap(1, 2)), (25.0, -1.0, 1.0));
    let large = Samples::read("glyphs-8").unwrap();
    assert_eq!((large.count, large.features), (10, 64));
    assert_eq!(large.values.iter().filter(|&&x| x == 1.0).count(), 8 * 6 + 28 + 15 + 32 + 16);
    let digits = Samples::read("digits").unwrap();
    assert_eq!((digits.count, digits.features, digits.test.len()), (1797, 64, 450));
    // scikit-learn: data.sum() is 561718, the first labels are 0 1 2 3, and the split's first test image is 1081.
    let sum: f64 = digits.values.iter().map(|&x| f64::from(x) * 16.0).sum();
    assert_eq!((sum, &digits.labels[..4], digits.test[0]), (561_718.0, &[0u8, 1, 2, 3][..], 1081));
    assert!(digits.check_unit().is_ok());
    let held_out = digits.chosen(&digits.test);
    assert_eq!((held_out.count, held_out.row(0)), (450, digits.row(1081)));
    let sixteenths = digits.divided(1.0 / 16.0).unwrap();
    assert!(sixteenths.check_unit().unwrap_err().to_string().contains("scale = 16"));
    assert!(Samples::read("nowhere").unwrap_err().to_string().contains("digits"));
}
