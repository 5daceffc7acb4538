//! Runs the engine with the interpreter free for other threads, and lets signals stop it.
//!
//! Python runs the handlers of signals on its main thread alone, between steps of Python code. So a call of the main
//! thread works on a thread of its own while the main thread looks for signals; calls of other threads, which get no
//! signals, work where they are.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clippie_rs::CancelToken;
use pyo3::prelude::*;

/// Time between two looks for signals. The handler of Ctrl-C runs at most this late.
const LOOK: Duration = Duration::from_millis(40);

/// Time that a stopped call gets to end by itself. A pass of a large model takes longer; it is left to end in the
/// background, where it owns all that it uses.
const END: Duration = Duration::from_millis(100);

/// What a worker says.
enum Said<E, T> {
    Event(E),
    Done(thread::Result<T>),
}

/// Runs `work` without the interpreter and returns its result.
///
/// # Errors
/// The exception of a signal handler, `KeyboardInterrupt` for Ctrl-C; `cancel` is set then.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    cancel: &CancelToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    if !is_main_thread(py)? {
        return Ok(py.detach(work));
    }
    Running::start(py, work).wait(py, cancel)
}

/// Work on a thread of its own. If it is dropped, the work goes on to its end, and its result is lost.
pub struct Running<T>(Receiver<Said<(), T>>);

impl<T: Send + 'static> Running<T> {
    pub fn start(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> Self {
        Running(py.detach(move || start(move |_: &dyn Fn(())| work())))
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// See [`run`].
    pub fn wait(self, py: Python<'_>, cancel: &CancelToken) -> PyResult<T> {
        hear(py, self.0, cancel, |()| Ok(()))
    }
}

/// Runs `work` on a thread of its own and hands the events that it tells to `report` on the calling one.
///
/// # Errors
/// The exception of `report` or of a signal handler; `cancel` is set then.
pub fn run_with_events<E: Send + 'static, T: Send + 'static>(
    py: Python<'_>,
    cancel: &CancelToken,
    work: impl FnOnce(&dyn Fn(E)) -> T + Send + 'static,
    report: impl FnMut(E) -> PyResult<()>,
) -> PyResult<T> {
    let said = py.detach(|| start(work));
    hear(py, said, cancel, report)
}

/// Listens to a worker until it is done, and looks for signals meanwhile.
fn hear<E: Send + 'static, T: Send + 'static>(
    py: Python<'_>,
    mut said: Receiver<Said<E, T>>,
    cancel: &CancelToken,
    mut report: impl FnMut(E) -> PyResult<()>,
) -> PyResult<T> {
    loop {
        let from = &mut said;
        let looked = match py.detach(move || from.recv_timeout(LOOK)) {
            Ok(Said::Done(Ok(result))) => return Ok(result),
            Ok(Said::Done(Err(panic))) => resume_unwind(panic),
            Ok(Said::Event(event)) => report(event).and_then(|()| py.check_signals()),
            Err(RecvTimeoutError::Timeout) => py.check_signals(),
            Err(RecvTimeoutError::Disconnected) => unreachable!("a worker says how it ended"),
        };
        if let Err(exception) = looked {
            cancel.cancel();
            py.detach(move || wait_for_end(&said));
            return Err(exception);
        }
    }
}

/// Starts a worker. Where no thread can be started, as in a container that may have no more, works here first.
fn start<E: Send + 'static, T: Send + 'static>(
    work: impl FnOnce(&dyn Fn(E)) -> T + Send + 'static,
) -> Receiver<Said<E, T>> {
    let (send, said) = mpsc::channel();
    let work = Arc::new(Mutex::new(Some(work)));
    let run = {
        let (work, send) = (Arc::clone(&work), send.clone());
        move || work_once(&work, &send)
    };
    if thread::Builder::new().name("clippie-call".into()).spawn(run).is_err() {
        work_once(&work, &send);
    }
    said
}

fn work_once<E, T>(work: &Mutex<Option<impl FnOnce(&dyn Fn(E)) -> T>>, send: &Sender<Said<E, T>>) {
    let Some(work) = work.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    // After a signal nobody listens.
    let tell = |event| drop(send.send(Said::Event(event)));
    let done = catch_unwind(AssertUnwindSafe(|| work(&tell)));
    let _ = send.send(Said::Done(done));
}

/// Waits until a stopped worker ends, but not long.
fn wait_for_end<E, T>(said: &Receiver<Said<E, T>>) {
    let until = Instant::now() + END;
    while let Ok(Said::Event(_)) = said.recv_timeout(until.saturating_duration_since(Instant::now())) {}
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}
