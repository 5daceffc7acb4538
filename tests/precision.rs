//! Weights of fewer bits beside the references of full precision: half precision, integers of eight bits.
#![cfg(feature = "import")]

#[path = "common/converted.rs"]
mod converted;
#[path = "common/parity.rs"]
mod parity;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use clippie_rs::import::{self, ConvertOptions};
use clippie_rs::weights::internals::Writer;
use clippie_rs::weights::{Dtype, Layout as FileLayout, Precision, WeightsFile};
use clippie_rs::{Clip, Isa, Options};
use clippie_testkit::checkpoint::edit::{Stored, Tensors};
use clippie_testkit::checkpoint::random::Stream;
use clippie_testkit::checkpoint::{self, Layout, Model, golden};

/// Whole models take gigabytes: one at a time.
static WHOLE: Mutex<()> = Mutex::new(());

/// The published sizes that are compared, by their goldens; `CLIPPIE_WHOLE` names others, separated by commas.
const WHOLE_MODELS: &str = "tinyclip-vit-8m-16,tinyclip-vit-61m-32,mobileclip2-s0,rn50";

/// One golden of every tiny model and of [`WHOLE_MODELS`]; the last tells whether it is whole.
fn cases() -> Vec<(Model, Layout, String, bool)> {
    let plain = golden::models().into_iter().map(|model| (model.clone(), Layout::OpenClip, model.name.clone()));
    let all = plain
        .chain(golden::mobileclip_cases())
        .chain(golden::siglip_cases())
        .chain(golden::resnet_cases())
        .chain(golden::multilingual_cases())
        .chain(golden::perception_cases());
    let mut seen = BTreeSet::new();
    let named = std::env::var("CLIPPIE_WHOLE").unwrap_or_else(|_| WHOLE_MODELS.to_owned());
    let chosen = all.filter_map(|(model, layout, golden)| {
        let is_whole = named.split(',').any(|name| name == golden);
        let is_first = (is_whole || golden.starts_with("tiny-")) && seen.insert(golden.clone());
        is_first.then_some((model, layout, golden, is_whole))
    });
    let chosen: Vec<_> = chosen.collect();
    let whole = chosen.iter().filter(|(.., is_whole)| *is_whole).count();
    assert!(chosen.len() > 30 && whole == named.split(',').count(), "{} cases, {whole} whole", chosen.len());
    chosen
}

/// Compares every case, converted to `precision`, with its goldens on every instruction set, within `bounds` of a case.
/// Asserts that embeddings do not depend on what is encoded along with them. Whole models have at most `share` of the size
/// that they have in full precision.
fn check(precision: Precision, share: f64, bounds: impl Fn(&Model, &Clip, bool) -> (f64, f64)) {
    let _one_at_a_time = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (model, layout, golden, is_whole) in cases() {
        let path = converted::in_precision(&model, layout, golden::SEED, folder.path(), precision);
        for isa in sets(precision) {
            // The tiny ones are of odd sizes; whole ones take long on slow sets.
            if is_whole && isa != Isa::available()[0] {
                continue;
            }
            let clip = Options::new().isa(isa).open(&path).unwrap();
            assert_eq!(clip.weights().header().precision(), precision, "{golden}");
            let what = format!("{golden} {} {isa:?}", precision.name());
            parity::check_within(&what, &clip, &model, &golden, bounds(&model, &clip, is_whole));
            let pixels = parity::pixels(&model);
            let all = clip.image().encode_pixels(pixels.view()).unwrap();
            let last = clip.image().encode_pixels(pixels.slice(ndarray::s![1.., .., .., ..])).unwrap();
            assert_eq!(all.row(1), last.row(0), "{golden} {isa:?}");
        }
        if is_whole {
            let smaller = std::fs::metadata(&path).unwrap().len();
            let floats = converted::weights(&model, layout, golden::SEED, folder.path());
            let found = smaller as f64 / std::fs::metadata(&floats).unwrap().len() as f64;
            println!("{golden}: {found:.4} of the size");
            assert!(found <= share, "{golden}: {found}");
            std::fs::remove_file(floats).unwrap();
        }
        std::fs::remove_file(path).unwrap();
    }
}

/// Every instruction set; for products of integers also without the instructions that not every processor with it has.
fn sets(precision: Precision) -> Vec<Isa> {
    let mut sets = Isa::available();
    if precision == Precision::Int8 {
        let without = Isa::available().into_iter().map(Isa::without_dot).filter(|isa| !Isa::available().contains(isa));
        sets.extend(without.collect::<Vec<_>>());
        sets.extend(Isa::amx());
    }
    sets
}

/// What a processor multiplies integers with does not show, beside the same floats.
#[test]
fn amx_gives_the_bits_of_avx512() {
    let Some(amx) = Isa::amx() else {
        println!("this machine has no AMX, or its system grants none");
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (model, layout, golden, _) in cases().into_iter().filter(|(.., is_whole)| !is_whole) {
        let path = converted::in_precision(&model, layout, golden::SEED, folder.path(), Precision::Int8);
        let open = |isa| Options::new().isa(isa).open(&path).unwrap();
        let (vnni, tiles) = (open(Isa::named("avx512").unwrap()), open(amx));
        assert_eq!((vnni.isa().name(), tiles.isa().name()), ("avx512", "amx"));
        let pixels = parity::pixels(&model);
        let photos = |clip: &Clip| clip.image().encode_pixels(pixels.view()).unwrap();
        assert_eq!(photos(&vnni), photos(&tiles), "{golden}");
        assert_eq!(vnni.fingerprint(), tiles.fingerprint());
    }
}

#[test]
fn half_precision_is_close_to_the_goldens() {
    check(Precision::F16, 0.51, |_, clip, is_whole| match is_whole {
        true => parity::HALVES,
        false => parity::halves_of(clip.embed_dim()),
    });
}

/// `1 - cosine` of eight bits: of transformers, and of FastViTs, whose convolutions round what the next one multiplies.
const EIGHT_BITS: f64 = 5e-4;
const EIGHT_BITS_OF_FASTVIT: f64 = 3e-3;

/// Small test models have sums of few terms, and so larger differences.
const TINY: f64 = 3.0;

/// Both bounds for a `1 - cosine`: no component differs by more than the whole vector does.
fn bounds(cosine: f64) -> (f64, f64) {
    ((2.0 * cosine).sqrt(), cosine)
}

#[test]
fn eight_bits_are_close_to_the_goldens() {
    check(Precision::Int8, 0.40, |model, _, is_whole| {
        let whole = if model.mobileclip().is_some() { EIGHT_BITS_OF_FASTVIT } else { EIGHT_BITS };
        bounds(if is_whole { whole } else { whole * TINY })
    });
}

/// Trained transformers have a few channels that are far larger than the others, which small factors of the norms make up
/// for, those of images also tokens with huge channels. Integers bear them, since those factors are not folded into the weights.
#[test]
fn eight_bits_bear_channels_that_stand_out() {
    let _one_at_a_time = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let model = Model::named("tinyclip-vit-61m-32").unwrap();
    let source = folder.path().join("checkpoint");
    let file = checkpoint::write(&model, golden::SEED, Layout::OpenClip, &source).unwrap().remove(0);
    let mut tensors = Tensors::read(&file);
    for tower in ["visual.", ""] {
        stand_out(&mut tensors, tower);
    }
    tensors.write(&file);
    let open = |precision: Precision| {
        let out: PathBuf = folder.path().join(format!("{}.clippie", precision.name()));
        let options = ConvertOptions::default().precision(precision);
        import::convert(&source, &out, &options, &mut |_| {}).unwrap();
        Clip::open(&out).unwrap()
    };
    let (whole, eight) = (open(Precision::F32), open(Precision::Int8));
    let of = |clip: &Clip| {
        let images = clip.image().encode_pixels(parity::pixels(&model).view()).unwrap();
        let texts = clip.text().encode_ids(golden::all_ids(&model)).unwrap();
        [images, texts].map(|rows| rows.mapv(f64::from).into_dyn())
    };
    let exact = of(&whole);
    let rounded = of(&eight);
    // Of a text one token counts, so rounding is not averaged over tokens.
    for (what, exact, rounded, bound) in
        [("image", &exact[0], &rounded[0], EIGHT_BITS), ("text", &exact[1], &rounded[1], 2.0 * EIGHT_BITS)]
    {
        let rounded = rounded.mapv(|x| x as f32).into_dimensionality().unwrap();
        parity::assert_within(&format!("channels that stand out, {what}"), &rounded, exact, bounds(bound));
    }
}

/// Makes channels of a tower 10 to 40 times as large as they are, the factors of the norms after them as much smaller, all
/// factors unequal, and those channels of an image's token huge.
fn stand_out(tensors: &mut Tensors, tower: &str) {
    let blocks = |layer: usize| format!("{tower}transformer.resblocks.{layer}");
    let layers = (0..).take_while(|&layer| tensors.0.contains_key(&format!("{}.ln_1.weight", blocks(layer)))).count();
    let width = tensors.0[&format!("{}.ln_1.weight", blocks(0))].shape[0];
    let factors = [10.0f32, 20.0, 30.0, 40.0];
    let channels = [3, width / 3, width / 2, width - 5];
    let mut edit = |name: String, change: &dyn Fn(usize, &mut f32)| {
        let Stored { bytes, .. } = tensors.0.get_mut(&name).unwrap_or_else(|| panic!("{name}"));
        for (i, value) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let mut number = f32::from_le_bytes(*value);
            change(i, &mut number);
            *value = number.to_le_bytes();
        }
    };
    let factor_of = |channel: usize| {
        channels.iter().position(|&outlier| outlier == channel).map_or(1.0, |outlier| factors[outlier])
    };
    for layer in 0..layers {
        let block = blocks(layer);
        for norm in ["ln_1", "ln_2"] {
            let noise = Stream::new(&format!("{block}.{norm}"), 1);
            edit(format!("{block}.{norm}.weight"), &|i, value| {
                // About normal: twelve uniform numbers.
                let normal: f64 = (0..12).map(|k| noise.unit(12 * i as u64 + k)).sum::<f64>() - 6.0;
                *value *= (0.4 * normal).exp() as f32 / factor_of(i);
            });
        }
        for part in ["attn.out_proj", "mlp.c_proj"] {
            let inputs = if part == "mlp.c_proj" { 4 * width } else { width };
            edit(format!("{block}.{part}.weight"), &|i, value| *value *= factor_of(i / inputs));
            edit(format!("{block}.{part}.bias"), &|i, value| *value *= factor_of(i));
        }
    }
    edit(format!("{tower}positional_embedding"), &|i, value| {
        *value *= factor_of(i % width);
        if tower == "visual." && i / width == 7 && channels.contains(&(i % width)) {
            *value += 30.0;
        }
    });
}

/// A file may have each of its matrices in another type, though no converter writes such files.
#[test]
fn layers_of_a_file_may_be_of_different_types() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let tiny = ["tiny-quick", "tiny-mci-deep", "tiny-hybrid"];
    let mut mixed = 0;
    for (model, layout, golden, _) in cases() {
        if !tiny.contains(&golden.as_str()) {
            continue;
        }
        let open = |precision| {
            let path = converted::in_precision(&model, layout, golden::SEED, folder.path(), precision);
            WeightsFile::open(&path).unwrap()
        };
        let (whole, eight) = (open(Precision::F32), open(Precision::Int8));
        let layers: [fn(&str) -> bool; 5] = [
            |layer| layer.ends_with(".fc1"),
            |layer| layer.ends_with(".fc2"),
            |layer| layer.contains(".0."),
            |layer| !layer.contains(".0."),
            |layer| layer.ends_with(".qkv") || layer.contains(".0.fc"),
        ];
        for (i, are_integers) in layers.into_iter().enumerate() {
            let path = folder.path().join(format!("{golden}-{i}.clippie"));
            write_mixed(&path, &whole, &eight, are_integers);
            let clip = Clip::open(&path).unwrap();
            assert!(clip.weights().verify().unwrap().is_intact());
            parity::check_within(
                &format!("{golden} mixed {i}"),
                &clip,
                &model,
                &golden,
                bounds(TINY * EIGHT_BITS_OF_FASTVIT),
            );
            mixed += usize::from(clip.weights().header().precision() == Precision::Int8);
        }
    }
    assert!(mixed > 10, "{mixed}");
}

/// Writes the layers of `whole` with those for which `are_integers` from `eight`, if they are integers there.
fn write_mixed(path: &std::path::Path, whole: &WeightsFile, eight: &WeightsFile, are_integers: fn(&str) -> bool) {
    let integers = eight.header().tensors.iter().filter(|entry| entry.spec.layout == FileLayout::Quads16);
    let chosen: Vec<&str> = integers
        .filter_map(|entry| entry.spec.name.strip_suffix(".weight"))
        .filter(|layer| are_integers(layer))
        .collect();
    let layer_of = |name: &str| name.rsplit_once('.').map_or(String::new(), |(layer, _)| layer.to_owned());
    let is_chosen = |name: &str| chosen.contains(&layer_of(name).as_str());
    // The layers of both files are in the same order.
    let mut specs = Vec::new();
    for entry in &whole.header().tensors {
        if !is_chosen(&entry.spec.name) {
            specs.push((whole, entry.spec.clone()));
        } else if entry.spec.name.ends_with(".weight") {
            let of_layer = eight.header().tensors.iter().map(|entry| &entry.spec);
            let of_layer = of_layer.filter(|spec| layer_of(&spec.name) == layer_of(&entry.spec.name));
            specs.extend(of_layer.map(|spec| (eight, spec.clone())));
        }
    }
    let meta = whole.header().meta.clone();
    let mut writer = Writer::create(path, meta, specs.iter().map(|(_, spec)| spec.clone()).collect()).unwrap();
    for (file, spec) in &specs {
        match (spec.dtype, &spec.shape[..]) {
            (Dtype::I8, shape) => {
                let integers = file.tensor_of::<i8>(&spec.name, spec.layout, shape).unwrap();
                writer.write_integers(&spec.name, &integers).unwrap();
            }
            (Dtype::F16, &[rows, width]) => {
                let table = file.table(&spec.name, rows, width).unwrap();
                let mut values = vec![0.0; rows * width];
                values.chunks_exact_mut(width).enumerate().for_each(|(row, out)| table.read(row, out));
                writer.write(&spec.name, &values).unwrap();
            }
            (_, shape) => {
                let values = file.tensor(&spec.name, spec.layout, shape).unwrap();
                writer.write(&spec.name, &values).unwrap();
            }
        }
    }
    writer.finish().unwrap();
}
