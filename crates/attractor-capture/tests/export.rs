//! What is exported is read back: by our own importer, and by the crates that own the formats.

mod common;

use attractor_capture::export::{self, Format};
use attractor_capture::{Import, ImportOptions};
use attractor_record::{Captured, Patterns, Restricted, Selection};

fn captured() -> Captured {
    Captured { info: common::info(), inputs: vec![common::input(3, 0, 13), common::input(3, 1, 17)] }
}

fn written(patterns: &dyn Patterns, input: usize, format: Format) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps");
    let arrays = export::arrays(patterns, input).unwrap();
    let bytes = export::write(&path, format, &arrays, (&[], &[]), 1 << 30).unwrap();
    let file = std::fs::read(&path).unwrap();
    assert_eq!(bytes, file.len() as u64);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary is left");
    file
}

#[test]
fn what_is_exported_comes_in_again_to_the_bit() {
    let patterns = captured();
    for format in [Format::Npz, Format::Safetensors] {
        let file = written(&patterns, 1, format);
        let import = Import::from_bytes(&file, &ImportOptions::default()).unwrap();
        assert_eq!(import.layers().iter().map(|l| l.layer).collect::<Vec<_>>(), common::LAYERS, "{format:?}");
        for layer in common::LAYERS {
            for head in 0..common::HEADS {
                let all = |p: &dyn Patterns, input| p.weights(layer, head, input, 0..17).unwrap().unwrap();
                assert_eq!(all(&import, 0), all(&patterns, 1), "{format:?} L{layer}H{head}");
            }
        }
    }
}

#[test]
fn the_formats_owners_read_them() {
    let patterns = captured();
    let npz = written(&patterns, 0, Format::Npz);
    let mut npz = zip::ZipArchive::new(std::io::Cursor::new(npz)).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut npz.by_name("L3.npy").unwrap(), &mut bytes).unwrap();
    // The very header that numpy.save (2.4.6) writes for this shape: 128 bytes, of which 118 are its text.
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 13, 13), }}", common::HEADS);
    let header = [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{text:<117}\n").as_bytes()].concat();
    assert_eq!(bytes[..128], header[..]);
    let from_npz: Vec<f32> = bytes[128..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();

    let file = written(&patterns, 0, Format::Safetensors);
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let view = tensors.tensor("L3").unwrap();
    assert_eq!((view.shape(), view.dtype()), (&[common::HEADS, 13, 13][..], safetensors::Dtype::F32));
    let from_tensors: Vec<f32> = view.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(from_npz, from_tensors);
}

#[test]
fn csv_has_one_line_per_weight_and_no_formula() {
    let patterns = Restricted::new(captured(), Selection::parse(Some("3"), Some("2")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps.csv");
    let names: Vec<String> = (0..13).map(|i| if i == 1 { "=\"x\"\n".into() } else { format!("t{i}") }).collect();
    let arrays = export::arrays(&patterns, 0).unwrap();
    assert_eq!(arrays[0].name(), "L3H2");
    export::write(&path, Format::Csv, &arrays, (&names, &names), 1 << 20).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "layer,head,query,key,weight,query_token,key_token");
    let weights = patterns.weights(3, 2, 0, 0..13).unwrap().unwrap();
    assert_eq!(lines.len() - 1, weights.iter().filter(|w| **w != 0.0).count());
    let row: Vec<&str> = lines[2].split(',').collect();
    assert_eq!(row[..4], ["3", "2", "1", "0"]);
    assert_eq!(row[4].parse::<f32>().unwrap(), weights[13]);
    assert_eq!(row[5..], ["\"'=\"\"x\"\" \"", "\"t0\""]);
}

#[test]
fn too_much_or_nothing_is_refused_and_the_old_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps");
    std::fs::write(&path, b"years of work").unwrap();
    let patterns = captured();
    let arrays = export::arrays(&patterns, 0).unwrap();
    for format in [Format::Npz, Format::Safetensors, Format::Csv] {
        let error = export::write(&path, format, &arrays, (&[], &[]), 2000).unwrap_err();
        assert!(error.is_budget() && error.to_string().contains("raise max_bytes"), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"years of work");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = export::arrays(&patterns, 2).err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("there are 2"), "{error}");
    let statistics = Import::from_bytes(b"[[[[1, 0], [0.5, 0.5]]]]", &ImportOptions::default()).unwrap();
    assert_eq!(export::arrays(&statistics, 0).unwrap().len(), 1);
}
