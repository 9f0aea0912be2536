//! Step "capture", asked for from outside: by a signal handler, a timer, another thread.
//!
//! `torpor_request` rings a bell and does nothing else, so that a signal handler may call it. A thread of the library
//! hears it, takes the GIL and opens a request of the engine (`python/requests.py`), as `torpor.request` does.

use crate::capture::{engine_options, CaptureOptions};
use crate::gil::{guard, Trouble};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use std::ffi::c_char;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use torpor_capi_shared::arguments::{optional_text, options as options_of, place, shared};
use torpor_capi_shared::{guard as plain_guard, status, Error, Fault, SnapshotHandle, StoreHandle};
use torpor_engine as engine;
use torpor_engine::{CaptureError, Failure};
use torpor_store::{Snapshot, Store};

/// Between two looks at whether the thread that is to be captured still runs.
const TICK: Duration = Duration::from_millis(50);

/// What became of the last request that has ended and was not waited for.
type Outcome = Result<Snapshot, Fault>;

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// The engine's open request.
    open: Option<Py<PyAny>>,
}

/// What is asked for, and the state; shared with the thread that listens and with the engine's request.
struct Job {
    store: Store,
    key: Option<String>,
    options: OwnedOptions,
    /// The ident of the thread to capture.
    thread: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// The bell was rung and not heard yet.
    rung: AtomicBool,
}

struct OwnedOptions {
    plain: (Option<usize>, Option<bool>),
    /// exclude, state, by_value, externals, attach, on_uncapturable.
    objects: [Option<Py<PyAny>>; 6],
}

impl OwnedOptions {
    fn of(options: engine::CaptureOptions<'_>) -> OwnedOptions {
        let o = options;
        let objects = [o.exclude, o.state, o.by_value, o.externals, o.attach, o.on_uncapturable];
        OwnedOptions { plain: (o.stack, o.keep_dead), objects: objects.map(|o| o.map(Bound::unbind)) }
    }

    fn with_target<'py>(&self, target: Bound<'py, PyAny>) -> engine::CaptureOptions<'py> {
        let py = target.py();
        let [exclude, state, by_value, externals, attach, on_uncapturable] =
            self.objects.each_ref().map(|o| o.as_ref().map(|o| o.bind(py).clone()));
        let (stack, keep_dead) = self.plain;
        let target = Some(target);
        engine::CaptureOptions {
            target,
            stack,
            exclude,
            keep_dead,
            state,
            by_value,
            externals,
            attach,
            on_uncapturable,
        }
    }
}

/// Captures that C asks for at any moment.
pub struct RequestHandle {
    job: Arc<Job>,
    bell: UnixStream,
    /// The process that listens: a child shares the bell and not the thread.
    process: u32,
}

impl Job {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Outcome) {
        let old = {
            let mut state = self.state();
            (state.open.take(), state.outcome.replace(outcome))
        };
        self.changed.notify_all();
        drop(old);
    }

    /// Opens a request, if none is open.
    fn open(self: &Arc<Self>, py: Python<'_>) -> Result<(), Failure> {
        if self.state().open.is_some() {
            return Ok(());
        }
        let requests = engine::watch::requests(py)?.into_bound(py);
        engine::learn_stops(py)?;
        if !self.runs(py)? {
            self.end(Err(ended("")));
            return Ok(());
        }
        let job = self.clone();
        let attempt = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<_> {
            Ok(job.attempt(args.get_item(0)?))
        };
        let attempt = PyCFunction::new_closure(py, None, None, attempt)?;
        let one = requests.getattr("OpenRequest")?.call1((self.thread, attempt))?;
        self.state().open = Some(one.clone().unbind());
        if let Err(e) = requests.getattr("open_request")?.call1((one,)) {
            self.end(Err(Fault::new(status::TORPOR_E_CAPTURE, e.to_string())));
        }
        Ok(())
    }

    /// One line of the thread. None: the request is over; else the refusal.
    fn attempt(&self, frame: Bound<'_, PyAny>) -> Option<(String, Option<String>, Option<i32>)> {
        let py = frame.py();
        match engine::capture(py, &self.store, self.key.as_deref(), &self.options.with_target(frame)) {
            Ok(snapshot) => self.end(Ok(snapshot)),
            Err(Failure::Capture(e @ CaptureError::UnsupportedFrame { .. })) => {
                let text = e.to_string();
                let CaptureError::UnsupportedFrame { function, line, .. } = e else { return None };
                return Some((text, Some(function), Some(line)));
            }
            Err(Failure::Capture(e @ CaptureError::Uncapturable(_))) => {
                return Some((e.to_string(), None, None));
            }
            Err(Failure::Store(e)) => self.end(Err(e.into())),
            Err(Failure::Python(e)) => {
                self.end(Err(Fault::new(status::TORPOR_E_CAPTURE, e.to_string())));
            }
            Err(other) => self.end(Err(Fault::new(other.status(), other.to_string()))),
        }
        None
    }

    fn runs(&self, py: Python<'_>) -> Result<bool, Failure> {
        let frames = py.import("sys")?.getattr("_current_frames")?.call0()?;
        Ok(frames.contains(self.thread)?)
    }

    /// Ends a request without hope, and says what stood in the way so far.
    fn look(&self, py: Python<'_>) -> Result<String, Failure> {
        let Some(open) = self.state().open.as_ref().map(|o| o.clone_ref(py)) else {
            return Ok("Nobody asked.".into());
        };
        let why: String = open.call_method0(py, "why")?.extract(py)?;
        if !self.runs(py)? {
            self.close(py)?;
            self.end(Err(ended(&why)));
        } else {
            engine::watch::requests(py)?.call_method0(py, "update_requests")?;
        }
        Ok(why)
    }

    fn close(&self, py: Python<'_>) -> Result<(), Failure> {
        let open = self.state().open.take();
        if let Some(open) = open {
            engine::watch::requests(py)?.call_method1(py, "close_request", (open,))?;
        }
        Ok(())
    }
}

fn ended(why: &str) -> Fault {
    Fault::new(status::TORPOR_E_CAPTURE, format!("the thread has ended before it could be captured. {why}"))
}

/// What the library's thread does: opens a request for each ring, until the bell is gone.
fn listen(job: &Arc<Job>, mut bell: UnixStream) {
    let mut byte = [0];
    while bell.read_exact(&mut byte).is_ok() {
        job.rung.store(false, Ordering::SeqCst);
        // SAFETY: C6: may be read at any time.
        if unsafe { ffi::Py_IsInitialized() } == 0 {
            return;
        }
        if let Err(e) = Python::attach(|py| job.open(py).map_err(|e| e.to_string())) {
            job.end(Err(Fault::new(status::TORPOR_E_CAPTURE, e)));
        }
    }
}

/// Makes ready for captures that are asked for by torpor_request. Starts a thread, which waits.
///
/// store: where to. It may be closed before the handle is freed. key: the name to publish each snapshot under, or
/// NULL.
/// options: NULL for the defaults; kept until the handle is freed. target is NULL.
/// thread: the Python ident of the thread to capture (threading.get_ident()); 0 is the main thread.
/// out: to be freed with torpor_request_free, before Python is finalized; NULL on failure.
///
/// # Safety
/// C1 to C4, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_request_prepare(
    store: *const StoreHandle,
    key: *const c_char,
    options: *const CaptureOptions,
    thread: u64,
    out: *mut *mut RequestHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C4, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let store = shared(store, "store")?.store().clone();
            let key = optional_text(key, "key")?.map(str::to_owned);
            let options = engine_options(py, &options_of(options)?)?;
            if options.target.is_some() {
                return Err(Fault::argument("a request finds its frame itself: target must be NULL").into());
            }
            let main =
                || py.import("threading")?.getattr("main_thread")?.call0()?.getattr("ident")?.extract();
            let thread = if thread == 0 { main()? } else { thread };
            engine::watch::requests(py)?;
            let (bell, ear) = UnixStream::pair().map_err(cannot_listen)?;
            let job = Arc::new(Job {
                store,
                key,
                options: OwnedOptions::of(options),
                thread,
                state: Mutex::default(),
                changed: Condvar::new(),
                rung: AtomicBool::new(false),
            });
            let listener = job.clone();
            let named = std::thread::Builder::new().name("torpor-request".into());
            named.spawn(move || listen(&listener, ear)).map_err(cannot_listen)?;
            out.write(Box::into_raw(Box::new(RequestHandle { job, bell, process: std::process::id() })));
            Ok(())
        })
    }
}

fn cannot_listen(e: std::io::Error) -> Trouble {
    Fault::new(status::TORPOR_E_IO, format!("no thread can wait for requests: {e}")).into()
}

/// Asks for a capture: the thread is captured at its next line of Python where everything down to the boundary can be,
/// and runs on. Nothing is slower while nobody asks. Asking while a request is open changes nothing.
///
/// May be called from a signal handler, by any thread, with and without the GIL: it does not wait, and leaves errno as
/// it is. In the child of a fork it does nothing.
///
/// Returns: TORPOR_E_INVALID_ARGUMENT if request is NULL.
///
/// # Safety
/// C1.
#[no_mangle]
pub unsafe extern "C" fn torpor_request(request: *const RequestHandle) -> i32 {
    // SAFETY: C1.
    let Some(request) = (unsafe { request.as_ref() }) else { return status::TORPOR_E_INVALID_ARGUMENT };
    // One byte at most is on its way, so there is room for it.
    if request.process == std::process::id() && !request.job.rung.swap(true, Ordering::SeqCst) {
        let _ = (&request.bell).write(&[1]);
    }
    status::TORPOR_OK
}

/// Waits for the snapshot of a request, whether it was asked for already or not. Each is given out once.
///
/// Called with the GIL, it releases it meanwhile; the caller may also be without it. The thread that is to be captured
/// cannot wait: it would have to run.
///
/// timeout_ms: milliseconds; 0 only looks, a negative number waits for ever.
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
/// Returns: TORPOR_E_TIMEOUT (the message says what stood in the way so far; the request stays open), _CAPTURE (the
/// thread has ended), _STORE_FULL.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_request_wait(
    request: *const RequestHandle,
    timeout_ms: i64,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        plain_guard(error, || {
            place(out)?;
            let job = &shared(request, "request")?.job;
            // SAFETY: C6: may be asked at any time.
            let held = ffi::Py_IsInitialized() != 0 && ffi::PyGILState_Check() != 0;
            let snapshot = match held {
                true => Python::attach(|py| py.detach(|| wait(job, timeout_ms))),
                false => wait(job, timeout_ms),
            }?;
            out.write(SnapshotHandle::boxed(snapshot));
            Ok(())
        })
    }
}

fn wait(job: &Job, timeout_ms: i64) -> Outcome {
    let end = u64::try_from(timeout_ms).ok().map(|ms| Instant::now() + Duration::from_millis(ms));
    loop {
        let mut state = job.state();
        if state.outcome.is_none() {
            let left = end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()).min(TICK));
            let waited = job.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(outcome) = state.outcome.take() {
            return outcome;
        }
        drop(state);
        // SAFETY: C6: may be read at any time.
        let why = match unsafe { ffi::Py_IsInitialized() } {
            0 => "Python does not run in this process.".to_owned(),
            _ => Python::attach(|py| job.look(py)).unwrap_or_default(),
        };
        if end.is_some_and(|end| Instant::now() >= end) && job.state().outcome.is_none() {
            return Err(Fault::new(
                status::TORPOR_E_TIMEOUT,
                format!("no capture in {timeout_ms} ms. {why}"),
            ));
        }
    }
}

/// Gives an open request up, and frees the handle. The caller holds the GIL; no signal handler may ask any more. NULL
/// is allowed.
///
/// # Safety
/// C1, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_request_free(request: *mut RequestHandle) {
    if request.is_null() {
        return;
    }
    // SAFETY: C1, C6. The library's thread ends when the bell is gone.
    unsafe {
        guard(std::ptr::null_mut(), |py| {
            let request = Box::from_raw(request);
            request.job.close(py)?;
            drop(request);
            Ok(())
        });
    }
}
