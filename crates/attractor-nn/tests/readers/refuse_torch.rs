//! Torch files that would run code, unfold without end or lead out of themselves.

use crate::build::*;
use crate::memory::peak;
use crate::says;
use attractor_nn::Error;
use attractor_nn::checkpoint::torch::Torch;
use attractor_nn::checkpoint::{Checkpoint, Opening};

fn open(bytes: &[u8]) -> Result<Torch, Error> {
    let folder = Folder::new();
    Torch::open(&folder.put("x.pt", bytes))
}

fn pickle_error(pickle: Vec<u8>) -> Error {
    open(&torch(&pickle, &[0; 16])).map(|_| ()).expect_err("a wrong pickle was read")
}

#[test]
fn names_that_run_code_are_refused_by_name() {
    let call = |module: &str, name: &str| Pickle::new().global(module, name).op(b"(").text("echo").op(b"tR.").0;
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("builtins", "print"),
        ("__builtin__", "open"),
        ("runpy", "_run_code"),
        ("importlib", "import_module"),
        ("torch.storage", "_load_from_bytes"),
        ("torch.serialization", "load"),
        ("torch", "serialization.os.system"),
        ("torch.hub", "load"),
        ("numpy", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("pickle", "loads"),
        ("_pickle", "loads"),
        ("operator", "attrgetter"),
        ("types", "CodeType"),
        ("ctypes", "CDLL"),
        ("webbrowser", "open"),
        ("shutil", "rmtree"),
        ("harmless.name", "os.system"),
    ] {
        says(
            &pickle_error(call(module, name)),
            Error::is_unsupported,
            &["x.pt", &format!("`{module}.{name}`"), "no code was run"],
        );
    }
}

#[test]
fn every_instruction_that_fetches_a_name_is_watched() {
    let system =
        |instructions: &[u8]| says(&pickle_error([instructions, b"."].concat()), Error::is_unsupported, &["os.system"]);
    system(b"cos\nsystem\n(X\x04\0\0\0echotR");
    system(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R");
    system(b"(X\x04\0\0\0echoios\nsystem\n");
    system(b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94h\x01h\x00\x93)R");
    // Protocol 0, as text.
    system(b"cos\nsystem\np0\n(S'echo'\np1\ntp2\nRp3\n");
    // Even where the name is fetched and never called.
    system(b"cos\nsystem\n0}");
    // Extension codes could stand for any name.
    says(&pickle_error(b"\x80\x02\x82\x01.".to_vec()), Error::is_format, &["0x82"]);
}

#[test]
fn recorded_attacks_and_programs_are_refused() {
    let read = |name: &str| Torch::open(&data(name)).map(|_| ()).unwrap_err();
    for name in ["evil.pt", "evil_legacy.pt"] {
        let error = read(name);
        says(&error, Error::is_unsupported, &[name, "no code was run", "system"]);
    }
    says(&read("whole_module.pt"), Error::is_unsupported, &["torch.nn.modules.linear.Linear", "state_dict()"]);
    says(&read("script.pt"), Error::is_unsupported, &["TorchScript", "state_dict()"]);
}

#[test]
fn foreign_objects_beside_the_weights_do_no_harm() {
    let pickle = Pickle::new()
        .op(b"}(")
        .text("args")
        .global("my.training", "Settings")
        .op(b")\x81}(")
        .text("lr")
        .int(3)
        .op(b"ub")
        .text("state_dict")
        .op(b"}")
        .text("w")
        .tensor(4, 0, &[2, 2], &[2, 1])
        .op(b"s")
        .op(b"u")
        .end();
    let file = open(&torch(&pickle, &floats(&ramp(4, 0.5)))).unwrap();
    assert_eq!(file.tensor("w").unwrap().values, ramp(4, 0.5));
    let made = Pickle::new().op(b"}").text("w").global("my.training", "tensor").op(b")R").op(b"s").end();
    says(&pickle_error(made), Error::is_format, &["found none"]);
    let quantised =
        Pickle::new().op(b"}").text("w").global("torch._utils", "_rebuild_qtensor").op(b")R").op(b"s").end();
    says(&pickle_error(quantised), Error::is_unsupported, &["`w`", "_rebuild_qtensor"]);
}

#[test]
fn views_that_lead_out_of_their_storage() {
    let error = |count, offset, shape: &[i64], stride: &[i64]| {
        open(&one_tensor(count, offset, shape, stride, 12)).map(|_| ()).expect_err("a wrong view was read")
    };
    assert_eq!(open(&one_tensor(12, 2, &[2, 5], &[5, 1], 12)).unwrap().tensor("w").unwrap().values, ramp(12, 0.5)[2..]);
    let format = Error::is_format;
    let far = i64::MAX;
    for (offset, shape, stride) in [
        (3, vec![2, 5], vec![5, 1]),
        (12, vec![1], vec![1]),
        (far, vec![1], vec![1]),
        (0, vec![13], vec![1]),
        (0, vec![2, 2], vec![11, 1]),
        (0, vec![2], vec![far]),
        (0, vec![far, 2], vec![1, 1]),
        (0, vec![far, far], vec![far, far]),
        (0, vec![3037000500, 3037000500], vec![1, 1]),
        // Strides of zero: 2^40 copies of one number.
        (0, vec![1 << 40], vec![0]),
        (0, vec![1 << 20, 1 << 20], vec![0, 0]),
    ] {
        says(&error(12, offset, &shape, &stride), format, &["`w`"]);
    }
    says(&error(12, -1, &[1], &[1]), format, &["begins at -1"]);
    says(&error(12, 0, &[-3], &[1]), format, &["shape"]);
    says(&error(12, 0, &[3], &[-1]), format, &["strides"]);
    says(&error(12, 0, &[3, 2], &[1]), format, &["2 axes"]);
    says(&error(12, 0, &[1; 65], &[1; 65]), format, &["65 axes"]);
    says(&error(13, 0, &[2], &[1]), format, &["`w`", "13 numbers"]);
    says(&error(far, 0, &[2], &[1]), format, &["`w`"]);
    // An axis of one may have any stride, and an empty tensor any shape beside its zero.
    let ones = open(&one_tensor(12, 1, &[1, 3], &[far, 1], 12)).unwrap();
    assert_eq!(ones.tensor("w").unwrap().values, ramp(12, 0.5)[1..4]);
    let none = open(&one_tensor(12, 0, &[0, 1 << 40, 1 << 40], &[1, 1, 1], 12)).unwrap();
    assert!(none.tensor("w").unwrap().values.is_empty());
}

#[test]
fn archives_that_are_torn_or_of_another_kind() {
    let whole = one_tensor(12, 0, &[12], &[1], 12);
    assert!(open(&whole).is_ok());
    for cut in 0..whole.len() {
        assert!(open(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let format = Error::is_format;
    let error = |bytes: &[u8]| open(bytes).map(|_| ()).unwrap_err();
    says(&error(b"GGUF...."), format, &["torch.save"]);
    says(&error(&zip(&[("a/other", b"x")])), format, &["data.pkl"]);
    says(&error(&zip(&[("a/data.pkl", b"."), ("b/data.pkl", b".")])), format, &["data.pkl"]);
    says(&error(&zip(&[("a/data.pkl", b"}."), ("a/data.pkl", b"}.")])), format, &["two entries"]);
    let pickle = Pickle::new().op(b"}").text("w").tensor(4, 0, &[4], &[1]).op(b"s").end();
    says(&error(&zip(&[("a/data.pkl", &pickle)])), format, &["storage \"0\"", "does not hold"]);
    says(
        &error(&zip(&[("a/data.pkl", &pickle), ("a/byteorder", b"big"), ("a/data/0", &[0; 16])])),
        Error::is_unsupported,
        &["big-endian"],
    );
    // The method "deflate" in both headers of the first entry.
    let mut packed = whole.clone();
    let central = packed.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    packed[central + 10] = 8;
    says(&error(&packed), Error::is_unsupported, &["compressed"]);
    // Sizes of 2^32 - 1 without the field that should hold the real ones.
    let mut wide = whole.clone();
    wide[central + 20..central + 28].copy_from_slice(&[0xff; 8]);
    assert!(open(&wide).is_err());
}

#[test]
fn pickles_that_no_torch_wrote() {
    let format = Error::is_format;
    for wrong in [
        b"".as_slice(),
        b".",
        b"\x80\x09.",
        b"0.",
        b"t.",
        b"s.",
        b"u.",
        b"R.",
        b"(.",
        b"h\x05.",
        b"}X\xff\xff\xff\x7f",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\xff",
        b"Ix\n.",
        b"}(Ku.",
        b"cos",
        b"2.",
        b"q\0.",
        b"K\x01Q.",
        b")R.",
        b"\xff.",
        b"X\x01\0\0\0\xff.",
        b"}]s.",
        b"K\x01K\x02a.",
        b"K\x01.",
        b"N.",
        b"].",
        b"}.",
    ] {
        says(&pickle_error(wrong.to_vec()), format, &["x.pt"]);
    }
}

/// What a reader may hold at a time: an instruction of one byte makes an object of 32 bytes, and growing lists are
/// copied once. The constant is for buffers.
const FACTOR: usize = 128;
const CONSTANT: usize = 1 << 20;

#[test]
fn small_files_do_not_expand_without_bound() {
    let bounded = |what: &str, pickle: Vec<u8>| {
        let file = torch(&pickle, &[0; 16]);
        let (result, bytes) = peak(|| open(&file).map(|_| ()));
        assert!(result.is_err(), "{what} was read");
        assert!(bytes < FACTOR * file.len() + CONSTANT, "{what}: {bytes} bytes for a file of {}", file.len());
    };
    bounded("a million empty lists", [vec![b']'; 1_000_000], b".".to_vec()].concat());
    bounded("a million nested lists", [vec![b']'; 500_000], vec![b'a'; 499_999], b".".to_vec()].concat());
    bounded("a million nested tuples", [b")".to_vec(), vec![0x85; 1_000_000], b".".to_vec()].concat());
    bounded("six million numbers", [vec![b'N'; 6_000_000], b".".to_vec()].concat());
    bounded("groups without end", vec![b'('; 5_000_000]);
    bounded("copies of the top", [b"N".to_vec(), vec![b'2'; 5_000_000]].concat());
    bounded("remembered without end", [b"N".to_vec(), vec![0x94; 5_000_000]].concat());
    bounded("a list in itself", b"]q\0h\0a.".to_vec());
    bounded("a dictionary in itself", b"}q\0X\x05\0\0\0modelh\0s.".to_vec());
    bounded(
        "a dictionary under every name in itself",
        b"}q\0(X\x01\0\0\0ah\0X\x01\0\0\0bh\0X\x01\0\0\0ch\0u.".to_vec(),
    );
    // One long list, copied by every call.
    let mut copies = b"(".to_vec();
    copies.extend(vec![b'N'; 100_000]);
    copies.extend(b"tq\x00ctorch\nSize\nq\x01");
    for _ in 0..20_000 {
        copies.extend(b"h\x01h\x00\x85R0");
    }
    copies.push(b'.');
    bounded("one list copied by many calls", copies);
    // One long text, fetched as a name again and again.
    let mut names = b"X\xa0\x86\x01\0".to_vec();
    names.extend(vec![b'x'; 100_000]);
    names.extend(b"q\0");
    for _ in 0..10_000 {
        names.extend(b"h\0h\0\x93");
    }
    names.push(b'.');
    bounded("one long name fetched many times", names);
    // Dictionaries that share their inside: 10^8 paths to one tensor.
    let mut paths = Pickle::new().op(b"}").text("w").tensor(4, 0, &[4], &[1]).op(b"sq\0").0;
    for level in 0..6u8 {
        paths.extend(b"}(");
        for key in 0..20u8 {
            paths.extend([b'X', 1, 0, 0, 0, b'a' + key, b'h', level]);
        }
        paths.extend([b'u', b'q', level + 1]);
    }
    paths.push(b'.');
    let file = torch(&paths, &[0; 16]);
    let (result, bytes) = peak(|| open(&file).map(|_| ()));
    says(&result.unwrap_err(), Error::is_format, &["entries in the state dict"]);
    assert!(bytes < 512 << 20, "{bytes}");
}

#[test]
fn configurations_inside_that_unfold() {
    let mut pickle = Pickle::new().op(b"}(").text("state_dict").op(b"}").text("w").tensor(4, 0, &[4], &[1]).op(b"s").0;
    pickle.extend(Pickle(Vec::new()).text("config").op(b"}").text("model_type").text("gpt2").op(b"s").text("deep").0);
    // Lists of two that share their inside: 2^30 leaves.
    pickle.extend(b"]q\0");
    for level in 0..30u8 {
        pickle.extend([b'0', b']', b'(', b'h', level, b'h', level, b'e', b'q', level + 1]);
    }
    pickle.extend(b"su.");
    let folder = Folder::new();
    let path = folder.put("x.pt", torch(&pickle, &[0; 16]));
    let (result, bytes) = peak(|| Checkpoint::open(&path, &Opening::default()).map(|_| ()));
    says(&result.unwrap_err(), Error::is_format, &["`config`", "nested without end"]);
    assert!(bytes < 64 << 20, "{bytes}");
}

#[test]
fn older_files_with_wrong_storage_lengths() {
    let whole = std::fs::read(data("tensors_legacy.pt")).unwrap();
    assert!(open(&whole).is_ok());
    for cut in (0..whole.len()).step_by(3) {
        assert!(open(&whole[..cut]).is_err(), "cut at {cut}");
    }
    // The length of the storage of 24 floats, the first of which is -1.
    let mut long = whole.clone();
    let start = [24u64.to_le_bytes().as_slice(), &(-1f32).to_le_bytes()].concat();
    let at = long.windows(12).position(|w| w == start).unwrap();
    long[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    says(&open(&long).map(|_| ()).unwrap_err(), Error::is_format, &["storage", "1152921504606846976", "truncated"]);
}
