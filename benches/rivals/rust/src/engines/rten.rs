//! rten: ONNX, weights packed at load.

use std::sync::Arc;

use rten::{ModelOptions, RunOptions, ThreadPool, ValueView};

use super::Run;
use crate::Error;
use crate::job::{Job, Tower};

pub fn load(job: &Job) -> Result<Run, Error> {
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(&job.onnx)?;
    let pool = Arc::new(ThreadPool::with_num_threads(job.threads));
    let options = RunOptions::default().with_thread_pool(Some(pool));
    let shape = job.shape.clone();
    match job.tower {
        Tower::Image => {
            let pixels = job.pixels()?;
            Ok(Box::new(move || {
                let input = ValueView::from_shape(shape.as_slice(), &pixels)?;
                let output = model.run_one(input.into(), Some(options.clone()))?;
                Ok(output.into_shape_vec::<f32, 2>()?.1)
            }))
        }
        Tower::Text => {
            let ids: Vec<i32> = job.ids()?.into_iter().map(|id| id as i32).collect();
            Ok(Box::new(move || {
                let input = ValueView::from_shape(shape.as_slice(), &ids)?;
                let output = model.run_one(input.into(), Some(options.clone()))?;
                Ok(output.into_shape_vec::<f32, 2>()?.1)
            }))
        }
    }
}
