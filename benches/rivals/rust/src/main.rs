//! Runs one engine in its own process; ../worker.py documents the protocol on standard input and output.
//!
//! ```text
//! rivals-worker clippie|rten|tract|candle
//! ```

mod engines;
mod job;
mod timing;

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

use engines::{Engine, Run};
use job::Request;

/// A failure in the engine's own words.
type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(engine) = engines::find(&name) else {
        return Err(format!("`{name}` is no engine of this build; it has {}", engines::names().join(", ")).into());
    };
    answer(&json!({ "version": engine.version }))?;
    // As the command does.
    clippie_rs::Isa::allow_amx();
    let mut worker = Worker { engine, running: None };
    for line in io::stdin().lock().lines() {
        let result = serde_json::from_str(&line?).map_err(Error::from).and_then(|request| worker.carry_out(request));
        answer(&result.unwrap_or_else(|error| json!({ "error": error.to_string() })))?;
    }
    Ok(())
}

fn answer(value: &Value) -> io::Result<()> {
    println!("{value}");
    io::stdout().flush()
}

struct Worker {
    engine: Engine,
    /// The fastest way to run the current job, and the seconds of its fastest call.
    running: Option<(Run, f64)>,
}

impl Worker {
    fn carry_out(&mut self, request: Request) -> Result<Value, Error> {
        match request {
            Request::Load(job) => {
                self.running = None;
                let mut run = (self.engine.load)(&job)?;
                let embeddings = run()?;
                std::fs::write(&job.out, bytemuck::cast_slice::<f32, u8>(&embeddings))?;
                let fastest = timing::calls(&mut run, timing::TRIAL)?.into_iter().fold(f64::INFINITY, f64::min);
                self.running = Some((run, fastest));
                Ok(json!({ "setting": "", "tried": { "": fastest } }))
            }
            Request::Time { seconds } => {
                let (run, fastest) = self.running.as_mut().ok_or("nothing is loaded")?;
                if *fastest < timing::LONG {
                    timing::calls(run, timing::WARM)?;
                }
                Ok(json!({ "times": timing::calls(run, seconds)? }))
            }
            Request::Look => Ok(json!({ "gflops": timing::core_gflops()? })),
            Request::Unload => {
                self.running = None;
                Ok(json!({}))
            }
        }
    }
}
