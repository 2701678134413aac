//! Which names of a pickle mean something to us, and which could only be there to run code.

use super::array::Dtype;
use super::heap::{Heap, Id, Node, Storage, Tensor};

/// What a call gives.
pub(super) enum Made {
    New(Node),
    /// One of its arguments.
    Same(Id),
}

/// Most axes a tensor may have, as in torch.
const MOST_AXES: usize = 64;

/// Modules of which nothing belongs into a checkpoint: they start programs, read files, load code or reach into the
/// interpreter.
const DANGEROUS: [&str; 62] = [
    "_ctypes",
    "_io",
    "_operator",
    "_pickle",
    "_posixsubprocess",
    "_socket",
    "aifc",
    "asyncio",
    "bdb",
    "cPickle",
    "cProfile",
    "cffi",
    "cloudpickle",
    "code",
    "codeop",
    "commands",
    "ctypes",
    "dill",
    "doctest",
    "ensurepip",
    "ftplib",
    "gc",
    "glob",
    "http",
    "httplib",
    "imp",
    "importlib",
    "inspect",
    "io",
    "joblib",
    "linecache",
    "marshal",
    "multiprocessing",
    "nt",
    "ntpath",
    "operator",
    "os",
    "pdb",
    "pickle",
    "pickletools",
    "pip",
    "pkgutil",
    "posix",
    "posixpath",
    "profile",
    "pty",
    "pydoc",
    "requests",
    "runpy",
    "shelve",
    "shutil",
    "signal",
    "site",
    "smtplib",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "timeit",
    "urllib",
    "webbrowser",
];

/// Python's own names that are only data.
const HARMLESS: [&str; 17] = [
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "unicode",
];

/// True for a name that a checkpoint has no honest use for.
pub(super) fn runs_code(module: &str, name: &str) -> bool {
    let root = module.split('.').next().unwrap_or_default();
    // A dotted name walks through attributes: `torch` `serialization.os.system` reaches anything.
    let mut parts = module.split('.').skip(1).chain(name.split('.'));
    match root {
        "builtins" | "__builtin__" | "__builtins__" => !HARMLESS.contains(&name),
        "types" => !matches!(name, "SimpleNamespace" | "MappingProxyType"),
        "torch" => {
            matches!(module, "torch.hub" | "torch.package" | "torch.serialization" | "torch.utils.cpp_extension")
                || module.starts_with("torch.jit")
                || matches!(name, "load" | "_load_from_bytes" | "compile")
                || parts.any(|part| DANGEROUS.contains(&part) && part != "multiprocessing" && part != "profile")
        }
        "numpy" => matches!(name, "load" | "loads" | "runstring" | "fromfile" | "memmap"),
        root => {
            DANGEROUS.contains(&root) || parts.any(|part| matches!(part, "os" | "sys" | "subprocess" | "__globals__"))
        }
    }
}

/// The number format of `torch.FloatStorage`, `torch.float32` and their like; `Err` names a foreign one.
fn dtype(name: &str) -> Result<Dtype, String> {
    match name.strip_suffix("Storage").unwrap_or(name) {
        "Double" | "float64" => Ok(Dtype::F64),
        "Float" | "float32" => Ok(Dtype::F32),
        "Half" | "float16" => Ok(Dtype::F16),
        "BFloat16" | "bfloat16" => Ok(Dtype::BF16),
        "Long" | "int64" => Ok(Dtype::I64),
        "Int" | "int32" => Ok(Dtype::I32),
        "Short" | "int16" => Ok(Dtype::I16),
        "Char" | "int8" => Ok(Dtype::I8),
        "Byte" | "uint8" => Ok(Dtype::U8),
        "Bool" | "bool" => Ok(Dtype::Bool),
        _ => Err(name.to_owned()),
    }
}

/// What calling `callable` would describe. Nothing is called.
pub(super) fn make(heap: &mut Heap, callable: Id, arguments: Id, depth: usize) -> Result<Made, String> {
    let cost = match heap.get(arguments) {
        // The longest argument: what could be copied at most.
        Node::Tuple(items) => items.iter().take(8).map(|&item| heap.length(item)).max().unwrap_or(0),
        _ => return Err("a call without a tuple of arguments".into()),
    };
    let (Node::Global(global), Node::Tuple(arguments)) = (heap.get(callable), heap.get(arguments)) else {
        return Ok(Made::New(Node::Inert(callable)));
    };
    let (module, name) = (global.0.as_str(), global.1.as_str());
    let argument = |n: usize| arguments.get(n).copied().ok_or_else(|| format!("{name} lacks an argument"));
    if module == "torch._tensor" && name == "_rebuild_from_type_v2" && depth == 0 {
        // A subclass of tensor: (function, class, arguments, state).
        let (function, inner) = (argument(0)?, argument(2)?);
        return make(heap, function, inner, 1);
    }
    let made = match (module, name) {
        ("collections", "OrderedDict") | ("builtins" | "__builtin__", "dict") => match arguments.as_slice() {
            [] => Made::New(Node::Dict(Vec::new())),
            [items] => Made::New(Node::Dict(pairs(heap, *items)?)),
            _ => return Err("a dictionary is made from more than one argument".into()),
        },
        ("collections", "defaultdict" | "Counter") => Made::New(Node::Dict(Vec::new())),
        ("torch", "Size") => match heap.get(argument(0)?) {
            Node::Tuple(items) | Node::List(items) => Made::New(Node::Tuple(items.clone())),
            _ => return Err("torch.Size of something that is not a tuple".into()),
        },
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Made::New(tensor(heap, arguments, None)?),
        ("torch._utils", "_rebuild_tensor_v3") => {
            let Node::Global(format) = heap.get(argument(6)?) else {
                return Err("a tensor's number format is not a name".into());
            };
            Made::New(tensor(heap, arguments, Some(dtype(&format.1)))?)
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Made::Same(argument(0)?),
        _ => return Ok(Made::New(Node::Inert(callable))),
    };
    if matches!(made, Made::New(_)) {
        heap.spend(cost)?;
    }
    Ok(made)
}

/// Key-value tuples.
fn pairs(heap: &Heap, items: Id) -> Result<Vec<(Id, Id)>, String> {
    let items = match heap.get(items) {
        Node::List(items) | Node::Tuple(items) => items,
        Node::Dict(dict) => return Ok(dict.clone()),
        _ => return Err("a dictionary is made from something that is not a list".into()),
    };
    items
        .iter()
        .map(|&item| match heap.get(item) {
            Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err("a dictionary is made from something that is not a pair".into()),
        })
        .collect()
}

/// (storage, offset, size, stride, ...).
fn tensor(heap: &Heap, arguments: &[Id], format: Option<Result<Dtype, String>>) -> Result<Node, String> {
    let [storage, offset, shape, stride, ..] = arguments else {
        return Err(format!("a tensor is made from {} arguments", arguments.len()));
    };
    let storage_id = *storage;
    let Node::Storage(storage) = heap.get(storage_id) else { return Err("a tensor without a storage".into()) };
    let Node::Int(offset) = heap.get(*offset) else { return Err("a tensor's offset is not a number".into()) };
    let offset = u64::try_from(*offset).map_err(|_| format!("a tensor begins at {offset}"))?;
    let (shape, stride) = (whole_numbers(heap, *shape, "shape")?, whole_numbers(heap, *stride, "strides")?);
    if shape.len() != stride.len() || shape.len() > MOST_AXES {
        return Err(format!("a tensor has {} axes and {} strides", shape.len(), stride.len()));
    }
    let dtype = match (format, &storage.dtype) {
        (Some(format), _) => format,
        (None, Some(format)) => format.clone(),
        (None, None) => return Err("a tensor and its storage have no number format".into()),
    };
    Ok(Node::Tensor(Box::new(Tensor { storage: storage_id, dtype, offset, shape, stride })))
}

fn whole_numbers(heap: &Heap, id: Id, what: &str) -> Result<Vec<u64>, String> {
    let (Node::Tuple(items) | Node::List(items)) = heap.get(id) else {
        return Err(format!("a tensor's {what} is not a tuple"));
    };
    if items.len() > MOST_AXES {
        return Err(format!("a tensor has {} axes", items.len()));
    }
    items
        .iter()
        .map(|&item| match heap.get(item) {
            Node::Int(n) if *n >= 0 => Ok(*n as u64),
            other => Err(format!("a tensor's {what} holds {other:?}")),
        })
        .collect()
}

/// The storage that a persistent id stands for.
pub(super) fn storage(heap: &Heap, id: Id) -> Result<Storage, String> {
    let Node::Tuple(items) = heap.get(id) else { return Err("a persistent object is not a tuple".into()) };
    let [kind, class, key, _location, count, view @ ..] = items.as_slice() else {
        return Err(format!("a persistent object has {} fields", items.len()));
    };
    if heap.text(*kind) != Some("storage") {
        return Err("a persistent object is not a storage".into());
    }
    if view.iter().any(|&view| !matches!(heap.get(view), Node::None)) {
        return Err("a storage is a view of another, as torch 0.1 wrote them; save the file again".into());
    }
    let Node::Global(class) = heap.get(*class) else { return Err("a storage's type is not a name".into()) };
    if class.0.split('.').next() != Some("torch") || !class.1.ends_with("Storage") {
        return Err(format!("a storage has the type {}.{}", class.0, class.1));
    }
    let dtype = (class.1 != "UntypedStorage").then(|| dtype(&class.1));
    if !matches!(heap.get(*key), Node::Text(_) | Node::Int(_)) {
        return Err("a storage's key is not a string".into());
    }
    let key = *key;
    match heap.get(*count) {
        Node::Int(count) if *count >= 0 => Ok(Storage { key, dtype, count: *count as u64 }),
        other => Err(format!("a storage's length is {other:?}")),
    }
}
