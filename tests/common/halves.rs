//! The compiled-in model in half precision, for tests of what precisions have in common.

#![allow(dead_code)]

use std::path::Path;

use clippie_rs::weights::internals::Writer;
use clippie_rs::weights::{Dtype, Layout, WeightsFile};
use half::f16;

/// Writes the compiled-in model with its matrices in half precision to `path`. This is what `convert --precision f16` makes
/// of its checkpoint, but for numbers that are rounded twice.
pub fn write_demo(path: &Path) {
    let whole = WeightsFile::demo().unwrap();
    let header = whole.header();
    let mut specs: Vec<_> = header.tensors.iter().map(|entry| entry.spec.clone()).collect();
    for spec in &mut specs {
        if spec.layout == Layout::Panels16 && spec.shape.len() == 2 {
            spec.dtype = Dtype::F16;
        }
    }
    let mut writer = Writer::create(path, header.meta.clone(), specs.clone()).unwrap();
    for (spec, stored) in specs.iter().zip(&header.tensors) {
        let values: Vec<f32> = match (stored.spec.dtype, &spec.shape[..]) {
            (Dtype::F16, &[rows, width]) => {
                let table = whole.table(&spec.name, rows, width).unwrap();
                let mut values = vec![0.0; rows * width];
                values.chunks_exact_mut(width).enumerate().for_each(|(row, out)| table.read(row, out));
                values
            }
            _ => whole.tensor(&spec.name, spec.layout, &spec.shape).unwrap().to_vec(),
        };
        let rounded = |value: &f32| if spec.dtype == Dtype::F16 { f16::from_f32(*value).to_f32() } else { *value };
        writer.write(&spec.name, &values.iter().map(rounded).collect::<Vec<f32>>()).unwrap();
    }
    writer.finish().unwrap();
}
