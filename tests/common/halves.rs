//! Files in half precision that no converter writes, for tests of what precisions have in common.

#![allow(dead_code)]

use std::path::Path;

use clippie_rs::weights::internals::{Half, Writer};
use clippie_rs::weights::{Dtype, Layout, TensorSpec, WeightsFile};
use half::f16;

/// The tensors of a file of floats, as numbers.
pub fn tensors(file: &WeightsFile) -> Vec<(TensorSpec, Vec<f32>)> {
    let numbers = |spec: &TensorSpec| match (spec.dtype, spec.layout, &spec.shape[..]) {
        (Dtype::F16, Layout::Rows, &[rows, width]) => {
            let table = file.table(&spec.name, rows, width).unwrap();
            let mut values = vec![0.0; rows * width];
            values.chunks_exact_mut(width).enumerate().for_each(|(row, out)| table.read(row, out));
            values
        }
        (Dtype::F16, layout, shape) => {
            let halves = file.tensor_of::<Half>(&spec.name, layout, shape).unwrap();
            halves.iter().map(|half| f16::from_bits(half.0).to_f32()).collect()
        }
        (_, layout, shape) => file.tensor(&spec.name, layout, shape).unwrap().to_vec(),
    };
    file.header().tensors.iter().map(|entry| (entry.spec.clone(), numbers(&entry.spec))).collect()
}

/// Makes a matrix one of halves, with all that it contains rounded: norms that are folded into it, scales of queries.
pub fn round((spec, numbers): &mut (TensorSpec, Vec<f32>)) {
    if spec.layout == Layout::Panels16 && spec.shape.len() == 2 {
        spec.dtype = Dtype::F16;
        numbers.iter_mut().for_each(|number| *number = f16::from_f32(*number).to_f32());
    }
}

/// Writes `tensors` as a file of the model of `like`.
pub fn write(path: &Path, like: &WeightsFile, tensors: &[(TensorSpec, Vec<f32>)]) {
    let specs = tensors.iter().map(|(spec, _)| spec.clone()).collect();
    let mut writer = Writer::create(path, like.header().meta.clone(), specs).unwrap();
    for (spec, numbers) in tensors {
        writer.write(&spec.name, numbers).unwrap();
    }
    writer.finish().unwrap();
}

/// Writes the compiled-in model with its matrices in half precision to `path`.
#[cfg(feature = "demo")]
pub fn write_demo(path: &Path) {
    let whole = WeightsFile::demo().unwrap();
    let mut all = tensors(&whole);
    all.iter_mut().for_each(round);
    write(path, &whole, &all);
}
