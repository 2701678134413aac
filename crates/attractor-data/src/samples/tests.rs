use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn parse(bytes: &[u8]) -> Result<Samples> {
    Samples::parse(bytes, &Columns::default())
}

fn read(source: &str) -> Result<Samples> {
    Samples::read(source, &Columns::default())
}

fn scaled(samples: Samples) -> Samples {
    samples.scaled(None, None).unwrap().0
}

/// Three images of 2 x 3 in bytes, as MNIST writes them.
fn idx() -> Vec<u8> {
    let header = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3];
    header.into_iter().chain((0..18).map(|x| x * 15)).collect()
}

#[test]
fn idx_is_read_plain_and_gzipped() {
    let plain = parse(&idx()).unwrap();
    assert_eq!((plain.count, plain.features, plain.image), (3, 6, Some((2, 3))));
    assert_eq!((plain.row(1)[0], plain.row(2)[5]), (90.0, 255.0));
    let read = scaled(plain.clone());
    assert_eq!((read.row(1)[0], read.row(2)[5], read.encoding.divided_by), (90.0 / 255.0, 1.0, 255.0));
    assert_eq!(read.notes, [DataNote::Divided { by: 255.0, most: 255.0, pictures: false }]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&idx()).unwrap();
    assert_eq!(parse(&packed.finish().unwrap()).unwrap(), plain);
}

#[test]
fn an_idx_header_that_lies_is_refused() {
    let mut longer = idx();
    longer[7] = 4;
    assert!(parse(&longer).unwrap_err().to_string().contains("header is wrong"));
    let mut huge = idx();
    huge[4..16].fill(0xFF);
    assert!(parse(&huge).unwrap_err().to_string().contains("more than 2^64"));
    assert!(parse(&idx()[..9]).unwrap_err().is_format());
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];
    assert!(parse(&labels).unwrap_err().to_string().contains("labels"));
    let none = [0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3];
    assert!(parse(&none).unwrap_err().is_format());
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
    let read = parse(&npy("<f4", "(2, 2)", &floats)).unwrap();
    assert_eq!((read.count, read.image, read.picture(), read.row(1)), (2, None, (1, 2), &[1.0, 0.0][..]));
    let bytes = scaled(parse(&npy("|u1", "(1, 2, 2)", &[0, 51, 255, 102])).unwrap());
    assert_eq!((bytes.image, bytes.row(0)), (Some((2, 2)), &[0.0, 0.2, 1.0, 0.4][..]));
    let whole = parse(&npy("|i1", "(2, 2)", &[1, 0xFF, 0xFF, 1])).unwrap();
    assert_eq!(whole.values, [1.0, -1.0, -1.0, 1.0]);
    let nan: Vec<u8> = [0.5f32, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    let error = parse(&npy("<f4", "(2, 1)", &nan)).unwrap_err().to_string();
    assert!(error.contains("row 1, number 0: NaN"), "{error}");
    assert!(parse(&npy("<f4", "(4,)", &floats)).unwrap_err().is_format());
}

#[test]
fn tables_have_rows_of_one_length() {
    let read = parse(b"a,b\n1,0\n0,1\n\n1,1\n").unwrap();
    assert_eq!((read.count, read.features, read.values), (3, 2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]));
    assert_eq!(parse(b"1 -1 1\n-1 1 1").unwrap().count, 2);
    for (text, says) in [
        ("1,2\n3", "line 2 has 1 numbers"),
        ("1,2\n3,x", "line 2, column 2: \"x\""),
        ("", "is empty"),
        ("a,b\n", "no row of numbers"),
        ("1,inf", "number 1: inf"),
    ] {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{text:?}: {error}");
    }
    assert!(parse(&[0xFF, 0xFE, 0, 1]).unwrap_err().to_string().contains("none of"));
}

/// What bytes hold decides what they are: bits, grey levels, or numbers of another scale.
#[test]
fn bytes_are_scaled_by_what_they_hold() {
    let of = |bytes: &[u8]| parse(&npy("|u1", "(2, 2)", bytes)).unwrap();
    let bits = scaled(of(&[0, 1, 1, 0]));
    assert_eq!((&bits.values[..], bits.notes.len(), bits.check_unit().is_ok()), (&[0.0, 1.0, 1.0, 0.0][..], 0, true));
    let sixteenths = scaled(of(&[0, 16, 3, 0]));
    assert_eq!(sixteenths.values, [0.0, 16.0, 3.0, 0.0]);
    assert!(sixteenths.check_unit().unwrap_err().to_string().contains("scale = 16"));
    let told = of(&[0, 16, 3, 0]).scaled(Some(16.0), Some(0.1)).unwrap();
    assert_eq!((&told.0.values[..], told.1, told.0.notes.len()), (&[0.0, 1.0, 0.1875, 0.0][..], Some(0.1), 0));
    // 127 is meant in levels, 0.5 in parts of white, and both cut alike.
    let cut = |threshold| {
        let (samples, threshold) = of(&[0, 255, 128, 127]).scaled(None, Some(threshold)).unwrap();
        (samples.binary(threshold.unwrap()).values, threshold.unwrap())
    };
    assert_eq!(cut(127.0), (vec![0.0, 1.0, 1.0, 0.0], 127.0 / 255.0));
    assert_eq!(cut(0.5), (vec![0.0, 1.0, 1.0, 0.0], 0.5));
    for (scale, threshold, option) in [(Some(0.0), None, "scale"), (None, Some(f32::NAN), "threshold")] {
        let error = of(&[0, 1, 1, 0]).scaled(scale, threshold).unwrap_err();
        assert_eq!(error.at_fault().map(|(name, _)| name), Some(option), "{error}");
    }
    assert_eq!((of(&[7, 7, 7, 7]).constant(), of(&[7, 7, 7, 8]).constant()), (Some(7.0), None));
}

/// As pandas, spreadsheets, R and Kaggle write them: what is not a number to learn is left out, and noted.
#[test]
fn tables_are_read_as_programs_write_them() {
    let read = |text: &str| {
        let read = parse(text.as_bytes()).unwrap();
        (read.values, read.labels, read.notes)
    };
    let aside = |column, name: &str, is_label| DataNote::ColumnAside { column, name: name.to_string(), is_label };
    let rows = vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
    let positions = DataNote::HeaderOfPositions { line: 1 };
    assert_eq!(read("0,1,2\n1,0,1\n0,1,1\n"), (rows.clone(), vec![], vec![positions.clone()]));
    // Two columns of bits may well begin with 0, 1.
    assert_eq!(read("0,1\n1,0\n").0, [0.0, 1.0, 1.0, 0.0]);
    let indexed = read(",0,1,2\n0,1,0,1\n1,0,1,1\n");
    assert_eq!(indexed, (rows.clone(), vec![], vec![positions, aside(0, "", false)]));
    let kaggle = read("label,pixel0,pixel1,pixel2\n7,1,0,1\n2,0,1,1\n");
    assert_eq!(kaggle, (rows.clone(), vec![7, 2], vec![aside(0, "label", true)]));
    let named = read("a,b,c,Class\n1,0,1,setosa\n0,1,1,virginica\n");
    assert_eq!(named, (rows.clone(), vec![0, 1], vec![aside(3, "Class", true)]));
    assert_eq!(read("0,5;1,0\n1;0,25\n"), (vec![0.5, 1.0, 1.0, 0.25], vec![], vec![DataNote::DecimalCommas]));
    assert_eq!(read("# a title\n1,0,1,\n0,1,1,\n"), (rows.clone(), vec![], vec![]));
    assert_eq!(read("\u{feff}1;0;1\r\n0;1;1\r\n"), (rows.clone(), vec![], vec![]));

    let told = |skip, label: &str, text: &str| {
        let columns = Columns { skip, label: (!label.is_empty()).then(|| label.to_string()) };
        Samples::parse(text.as_bytes(), &columns)
    };
    assert_eq!(told(2, "", "made by\nx\n1,0,1\n0,1,1\n").unwrap().values, rows);
    for label in ["last", "3"] {
        let found = told(0, label, "1,0,1,9\n0,1,1,4\n").unwrap();
        assert_eq!((found.values, found.labels), (rows.clone(), vec![9, 4]));
    }
    let error = told(0, "kind", "a,b\n1,2\n").unwrap_err();
    assert!(error.to_string().contains("2 columns (a, b)") && error.at_fault().unwrap().0 == "label_column", "{error}");
    let error = told(1, "", "made by\n1,2,3\nx,2,4\n").unwrap_err().to_string();
    assert!(error.contains("line 3, column 1: \"x\""), "{error}");
    let error = read_error("a,b\n1,2,3\n");
    assert!(error.contains("line 1 has 2 names, the first row 3 numbers"), "{error}");
    let array = Samples::parse(&idx(), &Columns { skip: 1, label: None }).unwrap_err();
    assert_eq!(array.at_fault(), Some(("skip", "1")));
    let line: Vec<String> = (0..50).map(|x| x.to_string()).collect();
    assert_eq!(
        read(&format!("9{0}\n8{0}\n", line.join(",").split_off(1))).2,
        [DataNote::OneBesideASquare { numbers: 50 }]
    );
}

fn read_error(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

/// Files of pictures in a folder: name, then pixels of one line.
fn write(folder: &Path, name: &str, picture: image::DynamicImage) {
    picture.save(folder.join(name)).unwrap();
}

fn grey(width: u32, pixels: &[u8]) -> image::DynamicImage {
    let height = pixels.len() as u32 / width;
    image::GrayImage::from_raw(width, height, pixels.to_vec()).unwrap().into()
}

#[test]
fn pictures_of_a_folder_have_one_size() {
    let folder = tempfile::tempdir().unwrap();
    let (path, source) = (folder.path(), folder.path().to_str().unwrap());
    assert!(read(source).unwrap_err().to_string().contains("no picture"));
    write(path, "b.png", grey(2, &[255, 0]));
    write(path, "a.bmp", grey(2, &[0, 51]));
    write(path, "c.pgm", grey(2, &[102, 255]));
    std::fs::write(path.join("._a.png"), b"the system's own").unwrap();
    let found = read(source).unwrap();
    assert_eq!((found.count, found.image, found.notes.len()), (3, Some((1, 2)), 0));
    assert_eq!(scaled(found).values, [0.0, 0.2, 1.0, 0.0, 0.4, 1.0]);
    // Every level alike: the compression has nothing to lose.
    write(path, "d.jpg", grey(2, &[51, 51]));
    std::fs::write(path.join("notes.txt"), b"not a picture").unwrap();
    std::fs::create_dir(path.join("more")).unwrap();
    let found = read(source).unwrap();
    assert_eq!((found.count, found.row(3)), (4, &[51.0, 51.0][..]));
    assert_eq!(found.notes, [DataNote::LeftOut { read: 4, left_out: 2, first: "notes.txt".to_string() }]);
    write(path, "e.png", grey(1, &[1, 2]));
    let error = read(source).unwrap_err().to_string();
    assert!(error.contains("e.png has 2 x 1 pixels, a.bmp 1 x 2"), "{error}");
    std::fs::write(path.join("a.bmp"), b"BM").unwrap();
    assert!(read(source).unwrap_err().to_string().contains("a.bmp: the picture cannot be read"));
}

#[test]
fn folders_of_a_folder_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    for (class, level) in [("ones", 255), ("twos", 102)] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        write(folder.path(), &format!("{class}/1.png"), grey(1, &[level, 0]));
    }
    write(folder.path(), "twos/2.png", grey(1, &[0, 0]));
    std::fs::write(folder.path().join("twos/notes.txt"), b"").unwrap();
    let found = read(folder.path().to_str().unwrap()).unwrap();
    assert_eq!((found.values, found.labels), (vec![255.0, 0.0, 102.0, 0.0, 0.0, 0.0], vec![0, 1, 1]));
    assert!(
        matches!(&found.notes[..], [DataNote::LeftOut { read: 3, left_out: 1, first }] if first == "twos/notes.txt")
    );
}

/// Black ink on nothing is black on white, not black on black.
#[test]
fn what_is_transparent_is_laid_on_white() {
    let folder = tempfile::tempdir().unwrap();
    let ink = image::RgbaImage::from_raw(3, 1, vec![0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 51]).unwrap();
    write(folder.path(), "ink.png", ink.into());
    let found = read(folder.path().join("ink.png").to_str().unwrap()).unwrap();
    assert_eq!(
        (&found.values[..], &found.notes[..]),
        (&[0.0, 255.0, 204.0][..], &[DataNote::OnWhite { pictures: 1 }][..])
    );
    // A picture's white is 255, whatever it holds; what it holds is said.
    assert_eq!(scaled(found).values, [0.0, 1.0, 0.8]);
}

/// A pipe would be waited for without end.
#[cfg(unix)]
#[test]
fn pipes_are_refused_as_data_and_left_out_of_folders() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("a.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = read(pipe.to_str().unwrap()).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("got a pipe, not a regular file"), "{error}");
    write(folder.path(), "b.png", grey(1, &[9]));
    let found = read(folder.path().to_str().unwrap()).unwrap();
    assert!(found.count == 1 && matches!(&found.notes[..], [DataNote::LeftOut { first, .. }] if first == "a.png"));
}

#[test]
fn what_is_built_in_is_what_it_should_be() {
    let small = read("glyphs-5").unwrap();
    assert_eq!((small.count, small.features), (3, 25));
    let overlap = |a: usize, b: usize| -> f32 {
        small.row(a).iter().zip(small.row(b)).map(|(x, y)| (2.0 * x - 1.0) * (2.0 * y - 1.0)).sum()
    };
    // Twelve, five and nine lit cells; two in common, and one.
    assert_eq!((overlap(0, 0), overlap(0, 1), overlap(1, 2)), (25.0, -1.0, 1.0));
    let large = read("glyphs-8").unwrap();
    assert_eq!((large.count, large.features), (10, 64));
    assert_eq!(large.values.iter().filter(|&&x| x == 1.0).count(), 8 * 6 + 28 + 15 + 32 + 16);
    let digits = read("digits").unwrap();
    assert_eq!((digits.count, digits.features, digits.test.len()), (1797, 64, 450));
    // scikit-learn: data.sum() is 561718, the first labels are 0 1 2 3, and the split's first test image is 1081.
    let sum: f64 = digits.values.iter().map(|&x| f64::from(x) * 16.0).sum();
    assert_eq!((sum, &digits.labels[..4], digits.test[0]), (561_718.0, &[0u8, 1, 2, 3][..], 1081));
    assert!(digits.check_unit().is_ok());
    let held_out = digits.chosen(&digits.test);
    assert_eq!((held_out.count, held_out.row(0)), (450, digits.row(1081)));
    let sixteenths = digits.scaled(Some(1.0 / 16.0), None).unwrap().0;
    assert!(sixteenths.check_unit().unwrap_err().to_string().contains("scale = 16"));
    assert!(read("nowhere").unwrap_err().to_string().contains("digits"));
}

/// Patterns of real numbers are cut where a threshold is given; what is constant is told.
#[test]
fn thresholds_of_real_patterns_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grey.csv");
    std::fs::write(&file, "0.2,0.9\n0.7,0.1\n").unwrap();
    let source = |threshold| {
        let data = Some(file.to_str().unwrap().to_string());
        crate::patterns::Source { data, threshold, ..Default::default() }
    };
    let notes = std::sync::Mutex::new(Vec::new());
    let listen = |note: &attractor::Note| notes.lock().unwrap().push(note.clone());
    let context = attractor::Context::new(0).with_listener(&listen);
    let values = |threshold| {
        let real = source(threshold).real("glyphs-8", &context).unwrap();
        (0..2).flat_map(|at| real.patterns.pattern(at).to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(values(Some(0.5)), [-1.0, 1.0, 1.0, -1.0]);
    assert_eq!(values(None), [0.2f32, 0.9, 0.7, 0.1].map(f64::from));
    assert!(notes.lock().unwrap().is_empty());
    assert_eq!(values(Some(0.95)), [-1.0; 4]);
    assert!(matches!(&notes.lock().unwrap()[..], [attractor::Note::Data(DataNote::Constant { value: -1.0, .. })]));
}

/// Three million patterns are not compared with one another in an hour: refused before it begins, by what it would take.
#[test]
fn more_patterns_than_can_be_compared_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.csv");
    std::fs::write(&file, "1\n0\n".repeat(1_600_000)).unwrap();
    let data = Some(file.to_str().unwrap().to_string());
    let source = crate::patterns::Source { data, ..Default::default() };
    let error = source.real("", &attractor::Context::new(0)).unwrap_err();
    assert!(error.is_budget() && error.to_string().contains("3200000 patterns of 1 units"), "{error}");
    let few = crate::patterns::Source { patterns: Some(3), ..source };
    assert!(few.stored("", &attractor::Context::new(0)).is_ok());
}
