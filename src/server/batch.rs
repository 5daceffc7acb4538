//! Inputs of different requests that wait for the same tower share a pass.
//!
//! Each tower of a model has a thread that takes what is waiting. There is no timer: an input that is alone goes at
//! once, and those that arrive meanwhile go together next. Results have the same bits either way.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::metrics::Metrics;
use super::refusal::Refusal;

/// A unit row.
pub(super) type Row = Arc<[f32]>;

/// Inputs that share a pass at most. The engine splits them into passes of its own size.
const MOST: usize = 32;

/// The thread of a tower.
#[derive(Debug)]
pub(super) struct Batcher<I> {
    sender: mpsc::Sender<Job<I>>,
}

/// An input and where its row goes.
#[derive(Debug)]
struct Job<I> {
    input: I,
    answer: oneshot::Sender<Result<Row, Refusal>>,
}

impl<I: Send + 'static> Batcher<I> {
    /// Starts the thread. `work` returns one result per input, in order.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        tower: &'static str,
        metrics: &Arc<Metrics>,
        work: impl Fn(Vec<I>) -> Vec<Result<Row, Refusal>> + Send + 'static,
    ) -> io::Result<Batcher<I>> {
        let (sender, receiver) = mpsc::channel();
        let metrics = Arc::clone(metrics);
        thread::Builder::new().name(format!("{tower}s")).spawn(move || serve(&receiver, tower, &metrics, &work))?;
        Ok(Batcher { sender })
    }

    /// Sends inputs to the thread, and waits for their rows.
    pub async fn encode(&self, inputs: impl IntoIterator<Item = I>) -> Result<Vec<Row>, Refusal> {
        let lost = || Refusal::internal("the thread of a tower has ended");
        let mut answers = Vec::new();
        for input in inputs {
            let (answer, row) = oneshot::channel();
            self.sender.send(Job { input, answer }).map_err(|_| lost())?;
            answers.push(row);
        }
        let mut rows = Vec::with_capacity(answers.len());
        for row in answers {
            rows.push(row.await.map_err(|_| lost())??);
        }
        Ok(rows)
    }
}

/// Takes jobs until nobody can send any more.
fn serve<I>(
    jobs: &mpsc::Receiver<Job<I>>,
    tower: &'static str,
    metrics: &Metrics,
    work: &impl Fn(Vec<I>) -> Vec<Result<Row, Refusal>>,
) {
    while let Ok(first) = jobs.recv() {
        let waiting = std::iter::once(first).chain(std::iter::from_fn(|| jobs.try_recv().ok()));
        // Nobody waits for the row of a request whose client has gone.
        let jobs = waiting.filter(|job| !job.answer.is_closed()).take(MOST);
        let (inputs, answers): (Vec<_>, Vec<_>) = jobs.map(|job| (job.input, job.answer)).unzip();
        if inputs.is_empty() {
            continue;
        }
        metrics.batch(tower, inputs.len());
        // A bug in the engine must not end the thread.
        let rows = catch_unwind(AssertUnwindSafe(|| work(inputs)));
        let mut rows = rows.unwrap_or_else(|panic| {
            let reason = format!("a pass of {tower} inputs panicked: {}", message(&*panic));
            vec![Err(Refusal::internal(reason)); answers.len()]
        });
        rows.resize_with(answers.len(), || Err(Refusal::internal("a row is missing")));
        for (answer, row) in answers.into_iter().zip(rows) {
            let _ = answer.send(row);
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_waits_goes_together_and_in_order() {
        let sizes = Arc::<Mutex<Vec<usize>>>::default();
        let (open_gate, gate) = channel::<()>();
        let work = {
            let sizes = Arc::clone(&sizes);
            move |inputs: Vec<f32>| {
                sizes.lock().unwrap().push(inputs.len());
                gate.recv().unwrap();
                let row =
                    |&value: &f32| if value < 0.0 { Err(Refusal::bad("negative")) } else { Ok(vec![value].into()) };
                inputs.iter().map(row).collect()
            }
        };
        let batcher = Batcher::start("text", &Arc::default(), work).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let send = |values: &[f32]| {
            let values = values.to_vec();
            let mut answers = Vec::new();
            for input in values {
                let (answer, row) = oneshot::channel();
                batcher.sender.send(Job { input, answer }).unwrap();
                answers.push(row);
            }
            answers
        };
        let first = send(&[1.0]);
        while sizes.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        let rest = send(&(0..40).map(|i| if i == 7 { -1.0 } else { i as f32 }).collect::<Vec<_>>());
        drop(send(&[5.0, 6.0]));
        (0..3).for_each(|_| open_gate.send(()).unwrap());
        let row = |answer: oneshot::Receiver<_>| runtime.block_on(answer).unwrap();
        assert_eq!(first.into_iter().map(row).collect::<Vec<_>>(), [Ok::<Row, Refusal>(vec![1.0].into())]);
        for (i, answer) in rest.into_iter().enumerate() {
            let expected = if i == 7 { Err(Refusal::bad("negative")) } else { Ok(vec![i as f32].into()) };
            assert_eq!(row(answer), expected);
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 32, 8]);
    }

    #[test]
    fn a_panic_is_an_answer() {
        let work = |inputs: Vec<f32>| match inputs[0] {
            0.0 => panic!("zero"),
            value => vec![Ok(vec![value].into())],
        };
        let batcher = Batcher::start("text", &Arc::default(), work).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(batcher.encode([0.0])).unwrap_err().status.as_u16(), 500);
        assert_eq!(*runtime.block_on(batcher.encode([2.0])).unwrap()[0], [2.0]);
    }

    #[test]
    fn the_reason_of_a_panic_is_kept() {
        let said = |work: fn()| message(&*catch_unwind(work).unwrap_err()).to_owned();
        assert_eq!(said(|| panic!("zero")), "zero");
        assert_eq!(said(|| panic!("row {}", 3)), "row 3");
        assert_eq!(said(|| std::panic::panic_any(3)), "it did not say why");
    }
}
