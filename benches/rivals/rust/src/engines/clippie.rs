//! This project's engine, through its public API.

use clippie_rs::Options;
use ndarray::Array4;

use super::Run;
use crate::Error;
use crate::job::{Job, Tower};

pub fn load(job: &Job) -> Result<Run, Error> {
    let options = Options::new().threads(job.threads).batch_size(job.shape[0]);
    match job.tower {
        Tower::Image => {
            let encoder = options.open_image(&job.clippie)?;
            let shape = <[usize; 4]>::try_from(&job.shape[..])?;
            let pixels = Array4::from_shape_vec(shape, job.pixels()?)?;
            Ok(Box::new(move || Ok(encoder.encode_pixels(pixels.view())?.into_raw_vec_and_offset().0)))
        }
        Tower::Text => {
            let encoder = options.open_text(&job.clippie)?;
            let texts: Vec<Vec<u32>> = job.ids()?.chunks(job.shape[1]).map(<[u32]>::to_vec).collect();
            Ok(Box::new(move || Ok(encoder.encode_ids(&texts)?.into_raw_vec_and_offset().0)))
        }
    }
}
