//! Tests with hand-made pickles and archives: valid ones are read, invalid ones are errors.

use std::io::Write;
use std::time::{Duration, Instant};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::import::checkpoint::Checkpoint;
use crate::import::error::Error;

/// A pickle under construction.
#[derive(Clone, Default)]
struct P(Vec<u8>);

impl P {
    fn new() -> P {
        P(vec![0x80, 2])
    }
    fn raw(mut self, bytes: &[u8]) -> P {
        self.0.extend(bytes);
        self
    }
    fn global(self, module: &str, name: &str) -> P {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }
    fn text(self, text: &str) -> P {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }
    fn int(self, value: i64) -> P {
        self.raw(&[0x8a, 8]).raw(&value.to_le_bytes())
    }
    /// A tuple of numbers.
    fn sizes(self, sizes: &[i64]) -> P {
        sizes.iter().fold(self.raw(b"("), |p, &size| p.int(size)).raw(b"t")
    }
    fn storage(self, class: &str, key: &str, len: i64) -> P {
        self.raw(b"(").text("storage").global("torch", class).text(key).text("cpu").int(len).raw(b"tQ")
    }
    /// A call of `_rebuild_tensor_v2` on a storage of f32.
    fn tensor(self, key: &str, len: i64, offset: i64, shape: &[i64], strides: &[i64]) -> P {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .storage("FloatStorage", key, len)
            .int(offset)
            .sizes(shape)
            .sizes(strides)
            .raw(b"\x89")
            .global("collections", "OrderedDict")
            .raw(b")RtR")
    }
    /// A dict with the one item `name`, whose value `value` pushes.
    fn item(self, name: &str, value: impl Fn(P) -> P) -> P {
        value(self.raw(b"}").text(name)).raw(b"s")
    }
    fn stop(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// An archive with `pickle` and storages.
fn archive(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let mut entries = vec![("m/data.pkl".to_owned(), pickle)];
    entries.extend(storages.iter().map(|(key, bytes)| (format!("m/data/{key}"), *bytes)));
    zip_of(&entries, zip::CompressionMethod::Stored)
}

fn zip_of(entries: &[(String, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn open(bytes: Vec<u8>) -> Result<Checkpoint, Error> {
    let start = Instant::now();
    let result = Checkpoint::from_bytes(bytes, "m.pt");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    result
}

/// Returns the error of a pickle in an archive with one storage of four f32.
fn refused(pickle: Vec<u8>) -> String {
    refused_bytes(archive(&pickle, &[("0", &[0; 16])]))
}

fn refused_bytes(bytes: Vec<u8>) -> String {
    let text = open(bytes).expect_err("refused").to_string();
    assert!(text.starts_with("m.pt") && text.len() < 1000, "{text}");
    text
}

fn check(pickle: Vec<u8>, hint: &str) {
    let text = refused(pickle);
    assert!(text.contains(hint), "{text}");
}

#[test]
fn a_hand_made_archive_is_read() {
    let pickle = P::new().item("w", |p| p.tensor("0", 4, 1, &[3], &[1])).stop();
    let data: Vec<u8> = [1f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    for bytes in [
        archive(&pickle, &[("0", &data)]),
        zip_of(&[("m/data.pkl".into(), &pickle), ("m/data/0".into(), &data)], zip::CompressionMethod::Deflated),
    ] {
        let checkpoint = open(bytes).unwrap();
        let mut out = [0.0; 3];
        checkpoint.tensor("w").unwrap().read(0, &mut out).unwrap();
        assert_eq!(out, [2.0, 3.0, 4.0]);
    }
}

#[test]
fn functions_are_never_run() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("ran");
    let command = format!("touch {}", mark.display());
    let call = |p: P| p.global("os", "system").raw(b"(").text(&command).raw(b"tR");
    check(call(P::new()).stop(), "it holds a result of `os.system`, which is never run here, not a state dict");
    check(
        P::new().item("w", |p| p.global("builtins", "eval").raw(b")R")).raw(b"0").global("a", "b").stop(),
        "it holds the Python object `a.b`, not a state dict",
    );
    // As a value, and as the storage of a tensor.
    let made = open(archive(&P::new().item("w", call).stop(), &[])).unwrap();
    assert!(
        made.tensor("w").unwrap_err().to_string().contains("tensor `w` is a result of `os.system`, which is never")
    );
    let pickle = P::new()
        .item("w", |p| {
            call(p.global("torch._utils", "_rebuild_tensor_v2").raw(b"(")).int(0).sizes(&[1]).sizes(&[1]).raw(b"tR")
        })
        .stop();
    let made = open(archive(&pickle, &[])).unwrap();
    assert!(made.tensor("w").unwrap_err().to_string().contains("`os.system`"));
    assert!(!mark.exists());
}

#[test]
fn whole_models_are_refused_with_the_remedy() {
    let model = |p: P| p.global("open_clip.model", "CLIP").raw(b")\x81}b");
    let hint = "it holds a Python object of class `open_clip.model.CLIP`, not a state dict; load it in PyTorch and \
                save `model.state_dict()` instead";
    check(model(P::new()).stop(), hint);
    check(P::new().item("model", model).stop(), hint);
    let reconstructed = P::new().global("copyreg", "_reconstructor").raw(b"(").global("a", "B").raw(b"tR}b");
    check(reconstructed.stop(), "a Python object of class `a.B`");
    check(P::new().raw(b"}").stop(), "it holds a dict without tensors");
    check(P::new().raw(b"K\x07").stop(), "it holds a plain value");
    check(P::new().tensor("0", 4, 0, &[4], &[1]).stop(), "it holds a tensor, not a state dict");
}

#[test]
fn broken_pickles_are_errors() {
    for (pickle, hint) in [
        (vec![], "ends in the middle"),
        (b"\x80\x02".to_vec(), "ends in the middle"),
        (b"\x80\x02}".to_vec(), "ends in the middle"),
        (b"\x80\x09}.".to_vec(), "protocol 9"),
        (b"\x80\x02.".to_vec(), "ends without a value"),
        (b"\x80\x020.".to_vec(), "empty stack"),
        (b"\x80\x02(0.".to_vec(), "ends without a value"),
        (b"\x80\x02(R.".to_vec(), "empty stack"),
        (b"\x80\x02}(R.".to_vec(), "empty stack"),
        (b"\x80\x02t.".to_vec(), "never opened"),
        (b"\x80\x02h\x05.".to_vec(), "recalls value 5"),
        (b"\x80\x02q\x05.".to_vec(), "empty stack"),
        (b"\x80\x02}(X\x01\x00\x00\x00au.".to_vec(), "key without a value"),
        (b"\x80\x02X\x01\x00\x00\x00\xff.".to_vec(), "not UTF-8"),
        (b"\x80\x02cno end".to_vec(), "class name without an end"),
        (b"\x80\x02c\xff\n\xff\n.".to_vec(), "class name that is not UTF-8"),
        (b"\x80\x02NN\x93.".to_vec(), "names a class by something"),
        (b"I7\n.".to_vec(), "instruction 0x49 at byte 0"),
        (b"\x80\x02X\xff\xff\xff\xff".to_vec(), "ends in the middle"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "ends in the middle"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(), "ends in the middle"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f".to_vec(), "ends in the middle"),
        (b"\x80\x02T\xff\xff\xff\xff".to_vec(), "ends in the middle"),
    ] {
        let text = refused(pickle.clone());
        assert!(text.contains(hint), "{pickle:?}: {text}");
    }
}

#[test]
fn impossible_tensors_are_errors() {
    for (tensor, hint) in [
        ((4, 0, &[5][..], &[1][..]), "reaches beyond its storage of 4 elements"),
        ((4, 4, &[1], &[1]), "reaches beyond its storage"),
        ((4, i64::MAX, &[1], &[1]), "reaches beyond its storage"),
        ((4, 0, &[2, 2], &[3, 1]), "reaches beyond its storage"),
        ((4, 0, &[i64::MAX, i64::MAX], &[0, 0]), "impossible size or stride"),
        ((4, 0, &[3, 3], &[i64::MAX, i64::MAX]), "impossible size or stride"),
        ((4, 0, &[2], &[1, 1]), "impossible size or stride"),
        ((5, 0, &[2], &[1]), "has 16 bytes, but 5 elements of type f32 are declared"),
        ((i64::MAX, 0, &[2], &[1]), "are declared"),
        ((4, 0, &[1 << 40], &[0]), "far more than its"),
    ] {
        let (len, offset, shape, strides) = tensor;
        check(P::new().item("w", |p| p.tensor("0", len, offset, shape, strides)).stop(), hint);
    }
    check(P::new().item("w", |p| p.tensor("7", 4, 0, &[4], &[1])).stop(), "its entry `data/7` is missing");
    let made = open(archive(&P::new().item("w", |p| p.tensor("0", 4, -1, &[4], &[1])).stop(), &[])).unwrap();
    assert!(made.tensor("w").unwrap_err().to_string().contains("offset, size or stride is not read"));
    let pickle = P::new().item("w", |p| p.tensor("0", 4, 0, &[1; 17], &[1; 17])).stop();
    assert!(open(archive(&pickle, &[])).unwrap().tensor("w").is_err());
    let twice = P::new().raw(b"}").text("w").tensor("0", 4, 0, &[4], &[1]);
    let twice = twice.raw(b"s").text("w").tensor("0", 4, 0, &[4], &[1]).raw(b"s");
    check(twice.stop(), "two tensors named `w`");
}

#[test]
fn self_referential_values_terminate() {
    // A list in itself, a dict in itself.
    check(P::new().raw(b"]q\x00h\x00a").stop(), "it holds a list");
    check(P::new().raw(b"}q\x00").text("state_dict").raw(b"h\x00s").stop(), "a dict without tensors");
    // A module that is its own child.
    let module = |p: P| p.global("__torch__", "M").raw(b")\x81");
    let own = module(P::new()).raw(b"q\x00}").text("child").raw(b"h\x00sb");
    check(own.stop(), "nest too deeply");
    // Modules of which each holds the next twice: 2^40 paths.
    let mut all = module(P::new()).raw(b"}b");
    for _ in 0..40 {
        all = module(all.raw(b"q\x00")).raw(b"}(").text("a").raw(b"h\x00").text("b").raw(b"h\x00ub");
    }
    check(all.stop(), "too many values");
    // A tensor that is its own storage.
    let own = P::new().global("torch._utils", "_rebuild_tensor_v2").raw(b"q\x00(h\x00").int(0).raw(b"))tRq\x01");
    check(own.stop(), "not a state dict");
}

#[test]
fn floods_of_values_end() {
    let many = |unit: &[u8], count: usize| unit.repeat(count);
    // Five million nested tuples; nothing walks or drops them recursively.
    check(P::new().raw(b")").raw(&many(b"\x85", 5 << 20)).stop(), "too many values");
    let nested = P::new().raw(b")").raw(&many(b"\x85", 1 << 20)).stop();
    check(nested, "it holds a tuple");
    check(P::new().raw(&many(b"N", 5 << 20)).stop(), "too deep a stack");
    check(P::new().raw(&many(b"(", 1 << 17)).stop(), "nests too deeply");
    check(P::new().raw(&many(b"}", 3 << 20)).stop(), "too many values");
    // Many names for one value.
    let mut slots = P::new().raw(b"}").0;
    for slot in 0..3u32 << 20 {
        slots.push(b'r');
        slots.extend(slot.to_le_bytes());
    }
    check(P(slots).stop(), "remembers too many values");
    // A list appended to itself; appending copies references only.
    let appends = P::new().raw(b"]q\x00").raw(&many(b"(h\x00h\x00h\x00h\x00e", 2 << 20)).stop();
    check(appends, "holds too many values");
    // A long list from which many dicts are created.
    let pairs = P::new().raw(b"](").raw(&many(b"NN\x86", 200_000)).raw(b"eq\x00\x85q\x01");
    let calls = pairs.global("collections", "OrderedDict").raw(b"q\x02").raw(&many(b"h\x02h\x01R", 100_000));
    check(calls.stop(), "too many values");
    // Instructions that leave no value take linear time.
    check(P::new().raw(b"}").raw(&many(b"N0", 20 << 20)).stop(), "a dict without tensors");
}

/// Long names cost what their bytes cost, however often they are referred to.
#[test]
fn repeated_long_names_are_cheap() {
    let long = "x".repeat(8 << 20);
    // Half a million references to a key of 8 MiB, without and with a tensor.
    let key = P::new().raw(b"}q\x00").text(&long).raw(b"q\x010");
    let many = |value: &[u8]| [&b"(h\x01"[..], value, b"u"].concat().repeat(500_000);
    check(key.clone().raw(&many(b"N")).stop(), "a dict without tensors");
    let tensor = key.raw(b"0").tensor("0", 4, 0, &[4], &[1]).raw(b"q\x020h\x00");
    check(tensor.raw(&many(b"h\x02")).stop(), "a tensor with a name of more than 1024 bytes");
    // A storage class named by long strings, and by the longest that are kept: 100,000 and a million times.
    let class =
        |name: &str| P::new().raw(b"}").text("torch").raw(b"q\x000").text(&format!("{name}Storage")).raw(b"q\x010");
    check(
        class(&long).raw(&b"h\x00h\x01\x930".repeat(100_000)).stop(),
        "names a class by something that is not a name",
    );
    let kept = class(&"X".repeat(4000)).raw(&b"h\x00h\x01\x930".repeat(1_000_000));
    check(kept.stop(), "takes far more work than a checkpoint of its size needs");
}

#[test]
fn models_beside_each_other_are_named_by_their_keys() {
    let tensor = |p: P| p.tensor("0", 4, 0, &[4], &[1]);
    let names = |pickle: P| {
        let checkpoint = open(archive(&pickle.stop(), &[("0", &[0; 16])])).unwrap();
        checkpoint.tensors().map(|t| t.name.to_owned()).collect::<Vec<_>>()
    };
    let inner = |p: P| tensor(p.raw(b"}").text("w")).raw(b"s");
    let two = inner(P::new().raw(b"}").text("student")).raw(b"s");
    let two = inner(two.text("teacher").raw(b"}").text("net")).raw(b"ss");
    assert_eq!(names(two), ["student.w", "teacher.net.w"]);
    // A state dict is followed as before, through any number of wrappers, and what is beside it is not a model.
    let wrapped = inner(P::new().raw(b"}").text("state_dict").raw(b"}").text("model")).raw(b"ss");
    assert_eq!(names(inner(wrapped.text("optimizer")).raw(b"s")), ["w"]);
}

#[test]
fn absurd_directories_are_refused_before_anything_is_allocated() {
    let good = archive(&P::new().item("w", |p| p.tensor("0", 4, 0, &[4], &[1])).stop(), &[("0", &[0; 16])]);
    let end = good.len() - 22;
    let with = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    assert!(open(good.clone()).is_ok());
    for (bytes, hint) in [
        (with(end + 10, &[0xff, 0xff]), "65535 entries do not fit"),
        (with(end + 12, &u32::MAX.to_le_bytes()), "cannot be read"),
        (with(end + 16, &u32::MAX.to_le_bytes()), "cannot be read"),
        (with(end, b"QK"), "cannot be read"),
        // The last header of the directory.
        (with(good.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap(), b"QK"), "is broken"),
    ] {
        let text = refused_bytes(bytes);
        assert!(text.contains(hint), "{hint}: {text}");
    }
    // Sizes of 64 bits: more entries than memory, in a directory that the file has room for.
    let (count, len) = (1u64 << 34, 46u64 << 34);
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0; 60]);
    let record = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [count, count, len, 0] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(record.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    assert!(refused_bytes(bytes).contains("zip directory cannot be read"));
}

#[test]
fn reading_stops_when_it_is_cancelled() {
    let cancel = crate::cancel::CancelToken::new();
    cancel.cancel();
    let budget = Budget::checkpoint(0, &cancel);
    let pickle = P::new().item("w", |p| p.tensor("0", 4, 0, &[4], &[1])).stop();
    let result = list(&archive(&pickle, &[("0", &[0; 16])]), &budget);
    assert!(matches!(result.err(), Some(ContainerError::Exhausted(crate::budget::Exhausted::Cancelled))));
}

#[test]
fn module_names_are_paths() {
    let module = |p: P| p.global("__torch__.a", "___torch_mangle_3").raw(b")\x81");
    let pickle = module(P::new()).raw(b"}(").text("training").raw(b"\x89").text("inner");
    let pickle = module(pickle)
        .raw(b"}(")
        .text("weight")
        .tensor("0", 4, 0, &[2, 2], &[1, 2])
        .text("names")
        .raw(b"]")
        .raw(b"ub")
        .text("bias")
        .tensor("0", 4, 2, &[2], &[1])
        .raw(b"ub")
        .stop();
    let checkpoint = open(archive(&pickle, &[("0", &[0; 16])])).unwrap();
    assert_eq!(checkpoint.container(), Container::TorchScript);
    let names: Vec<_> = checkpoint.tensors().map(|t| (t.name, t.shape.to_vec())).collect();
    assert_eq!(names, [("bias", vec![2]), ("inner.weight", vec![2, 2])]);
}

#[test]
fn wrapped_and_subclassed_tensors_are_found() {
    // A parameter with state, a plain tensor subclass, Python 2's ordered dict.
    let v2 = |p: P| p.global("torch._utils", "_rebuild_tensor_v2");
    let arguments = |p: P| p.raw(b"(").storage("HalfStorage", "0", 8).int(0).sizes(&[8]).sizes(&[1]).raw(b"t");
    let wrapped = P::new().item("w", |p| {
        arguments(v2(p.global("torch._tensor", "_rebuild_from_type_v2").raw(b"(")).global("x", "Own")).raw(b"}tR")
    });
    let tensor = |p: P| p.tensor("0", 4, 0, &[4], &[1]);
    let parameter = |p: P| tensor(p.global("torch._utils", "_rebuild_parameter_with_state").raw(b"(")).raw(b"\x89}}tR");
    let checkpoint = open(archive(&wrapped.stop(), &[("0", &[0; 16])])).unwrap();
    assert_eq!(checkpoint.info("w").unwrap().element_type.to_string(), "f16");
    let checkpoint = open(archive(&P::new().item("w", parameter).stop(), &[("0", &[0; 16])])).unwrap();
    assert_eq!(checkpoint.info("w").unwrap().shape, [4]);
    let pairs = P::new().global("collections", "OrderedDict").raw(b"(](](U\x01w");
    let pairs = parameter(pairs).raw(b"eetR").stop();
    let checkpoint = open(archive(&pairs, &[("0", &[0; 16])])).unwrap();
    assert_eq!(checkpoint.info("w").unwrap().shape, [4]);
}

#[test]
fn archives_must_be_unambiguous_and_little_endian() {
    use zip::CompressionMethod::{Deflated, Stored};
    let pickle = P::new().item("w", |p| p.tensor("0", 4, 0, &[4], &[1])).stop();
    let zip = |names: &[(&str, &[u8])]| {
        let entries: Vec<_> = names.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
        zip_of(&entries, Stored)
    };
    let none = zip(&[("m/other", b"x"), ("data.pkl", &pickle), ("a/b/data.pkl", &pickle)]);
    assert!(refused_bytes(none).contains("without `*/data.pkl`"));
    let two = zip(&[("m/data.pkl", &pickle), ("n/data.pkl", &pickle)]);
    assert!(refused_bytes(two).contains("more than one data.pkl"));
    for (order, hint) in
        [("big", "big-endian machine"), ("middle", "neither little nor big"), (&"x".repeat(99), "too long")]
    {
        let bytes = zip(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 16]), ("m/byteorder", order.as_bytes())]);
        assert!(refused_bytes(bytes).contains(hint));
    }
    let little = zip(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 16]), ("m/byteorder", b"little")]);
    assert!(open(little).is_ok());

    // Compressed storages: a long run of zeros.
    let big = P::new().item("w", |p| p.tensor("0", 1 << 20, 0, &[1 << 20], &[1])).stop();
    let zeros = vec![0; 4 << 20];
    let bytes = zip_of(&[("m/data.pkl".into(), &big), ("m/data/0".into(), &zeros)], Deflated);
    let checkpoint = open(bytes.clone()).unwrap();
    let mut out = [1.0; 8];
    checkpoint.tensor("w").unwrap().read((1 << 20) - 8, &mut out).unwrap();
    assert_eq!(out, [0.0; 8]);

    // A directory that declares another size than the entry has.
    let declared = (4u32 << 20).to_le_bytes();
    let at = bytes.windows(4).rposition(|w| w == declared).unwrap();
    for other in [4u32 << 19, 4 << 21, u32::MAX - 1] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&other.to_le_bytes());
        let result = open(bytes).and_then(|c| c.tensor("w").map(|_| ()));
        assert!(result.is_err(), "{other}");
    }
}

#[test]
fn many_tensors_of_two_compressed_storages_end() {
    let mut pickle = P::new().raw(b"}(");
    let len = 16 << 20;
    for i in 0..40 {
        let key = if i % 2 == 0 { "0" } else { "1" };
        pickle = pickle.text(&format!("w{i}")).tensor(key, len, 0, &[1], &[1]);
    }
    let pickle = pickle.raw(b"u").stop();
    let zeros = vec![0; len as usize * 4];
    let entries = [("m/data.pkl".to_owned(), &pickle[..]), ("m/data/0".into(), &zeros), ("m/data/1".into(), &zeros)];
    let checkpoint = open(zip_of(&entries, zip::CompressionMethod::Deflated)).unwrap();
    let error = (0..40).find_map(|i| checkpoint.tensor(&format!("w{i}")).err()).unwrap().to_string();
    assert!(error.contains("far larger than the file"), "{error}");
}

#[test]
fn old_files_must_be_whole_and_little_endian() {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let file = |version: i64, little: bool, keys: P, storages: &[u8]| {
        let system = P::new().raw(b"}").text("little_endian").raw(if little { b"\x88" } else { b"\x89" }).raw(b"s");
        let objects = P::new().item("w", |p| p.tensor("0", 4, 0, &[4], &[1]));
        [magic.to_vec(), P::new().int(version).stop(), system.stop(), objects.stop(), keys.stop(), storages.to_vec()]
            .concat()
    };
    let keys = || P::new().raw(b"]").text("0").raw(b"a");
    let mut storage = 4u64.to_le_bytes().to_vec();
    storage.extend([0; 16]);
    assert!(open(file(1001, true, keys(), &storage)).is_ok());
    for (bytes, hint) in [
        (file(1000, true, keys(), &storage), "no longer writes"),
        (file(1001, false, keys(), &storage), "big-endian"),
        (file(1001, true, P::new().raw(b"]"), &storage), "its storage `0` is missing"),
        (file(1001, true, P::new().raw(b"}"), &storage), "does not list its storages"),
        (file(1001, true, P::new().raw(b"]K\x01a"), &storage), "not a string"),
        (file(1001, true, keys().text("1").raw(b"a"), &storage), "`1` is of a type that is not read"),
        (file(1001, true, keys().text("0").raw(b"a"), &[&storage[..], &storage].concat()), "twice"),
        (file(1001, true, keys(), &storage[..20]), "ends within its storage `0`"),
        (file(1001, true, keys(), &[0xff; 24]), "ends within its storage `0`"),
        (file(1001, true, keys(), &[0; 8]), "has 0 bytes, but 4 elements"),
    ] {
        let text = refused_bytes(bytes);
        assert!(text.contains(hint), "{text}");
    }
}
