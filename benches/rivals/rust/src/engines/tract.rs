//! tract: ONNX, optimised for the shapes of the job.

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;

use super::Run;
use crate::Error;
use crate::job::{Job, Tower};

pub fn load(job: &Job) -> Result<Run, Error> {
    let input = match job.tower {
        Tower::Image => Tensor::from_shape(&job.shape, &job.pixels()?)?,
        Tower::Text => {
            let ids: Vec<i64> = job.ids()?.into_iter().map(i64::from).collect();
            Tensor::from_shape(&job.shape, &ids)?
        }
    };
    let fact = InferenceFact::dt_shape(input.datum_type(), &job.shape);
    let model = tract_onnx::onnx().model_for_path(&job.onnx)?.with_input_fact(0, fact)?;
    let plan = model.into_optimized()?.into_runnable()?;
    let executor = match job.threads {
        1 => Executor::SingleThread,
        threads => Executor::multithread(threads),
    };
    let input = input.into_tvalue();
    Ok(Box::new(move || {
        let outputs = multithread_tract_scope(executor.clone(), || plan.run(tvec!(input.clone())))?;
        Ok(outputs[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }))
}
