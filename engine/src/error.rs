//! What can go wrong in the engine: one enum per stage, and [`Failure`] over all of them.
//!
//! A message is a full sentence with what, where and what to do. `status` numbers are the store
//! crate's table.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::fmt;
use torpor_store::{status, RegionError, StoreError};

/// One thing that stands in the way of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `frames[2].locals['job'].sock`, or empty for a frame.
    pub path: String,
    pub reason: String,
    /// The (frame, slot) through which it was met, if that is a local.
    pub local: Option<(usize, usize)>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.path, self.reason)
        }
    }
}

#[derive(Debug)]
#[non_exhaustive]
pub enum CaptureError {
    /// A frame that cannot be captured: what, in which function, at which line.
    UnsupportedFrame { function: String, file: String, line: i32, what: String },
    /// Every value that cannot be captured.
    Uncapturable(Vec<Refusal>),
    /// An option that makes no sense.
    Invalid(String),
}

#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptError {
    Corrupt(String),
    Version {
        found: u32,
        running: u32,
    },
    /// Something that the snapshot refers to by name is not here.
    Missing(String),
}

#[derive(Debug)]
#[non_exhaustive]
pub enum ResumeError {
    AlreadyResumed,
    Impossible(String),
}

#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// An exception of the program, or of Python itself.
    Python(PyErr),
    Store(StoreError),
    Capture(CaptureError),
    Adopt(AdoptError),
    Resume(ResumeError),
    /// This interpreter cannot be served; one sentence.
    Platform(String),
}

/// What was tried, or None if an `Exception` was raised. Others go on: nobody else would hear of an interrupt.
pub(crate) fn tried<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.is_instance_of::<PyException>(py) => Ok(None),
        Err(e) => Err(e),
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedFrame { function, file, line, what } => {
                write!(f, "cannot capture {function} ({file}, line {line}): {what}")
            }
            Self::Uncapturable(all) => {
                for (i, refusal) in all.iter().enumerate() {
                    if i > 0 {
                        f.write_str("\n")?;
                    }
                    refusal.fmt(f)?;
                }
                Ok(())
            }
            Self::Invalid(what) => f.write_str(what),
        }
    }
}

fn python_version(hex: u32) -> String {
    format!("{}.{}.{}", hex >> 24, hex >> 16 & 255, hex >> 8 & 255)
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(what) => write!(f, "the snapshot is damaged: {what}"),
            Self::Version { found: 0, running } => write!(
                f,
                "the snapshot was made without Python and has no frames that Python {} could resume; read its \
                 values instead",
                python_version(*running)
            ),
            Self::Version { found, running } => write!(
                f,
                "the snapshot was captured by Python {}, this is Python {}; frames can only be resumed by the \
                 same minor version",
                python_version(*found),
                python_version(*running)
            ),
            Self::Missing(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyResumed => {
                f.write_str("this continuation was resumed already; adopt the snapshot again for another run")
            }
            Self::Impossible(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(e) => e.fmt(f),
            Self::Store(e) => e.fmt(f),
            Self::Capture(e) => e.fmt(f),
            Self::Adopt(e) => e.fmt(f),
            Self::Resume(e) => e.fmt(f),
            Self::Platform(what) => f.write_str(what),
        }
    }
}
impl std::error::Error for Failure {}

impl Failure {
    pub fn status(&self) -> i32 {
        match self {
            Self::Python(_) => status::PYTHON,
            Self::Store(e) => e.status(),
            Self::Capture(CaptureError::UnsupportedFrame { .. }) => status::UNSUPPORTED_FRAME,
            Self::Capture(CaptureError::Uncapturable(_)) => status::UNCAPTURABLE_VALUE,
            Self::Capture(_) => status::CAPTURE,
            Self::Adopt(AdoptError::Corrupt(_)) => status::CORRUPT_SNAPSHOT,
            Self::Adopt(AdoptError::Version { .. }) => status::VERSION_MISMATCH,
            Self::Adopt(_) => status::ADOPT,
            Self::Resume(ResumeError::AlreadyResumed) => status::ALREADY_RESUMED,
            Self::Resume(_) => status::RESUME,
            Self::Platform(_) => status::UNSUPPORTED_PLATFORM,
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Failure {
        Failure::Adopt(AdoptError::Corrupt(what.into()))
    }
}

impl From<PyErr> for Failure {
    fn from(e: PyErr) -> Self {
        Self::Python(e)
    }
}
impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}
impl From<CaptureError> for Failure {
    fn from(e: CaptureError) -> Self {
        Self::Capture(e)
    }
}
impl From<AdoptError> for Failure {
    fn from(e: AdoptError) -> Self {
        Self::Adopt(e)
    }
}
impl From<ResumeError> for Failure {
    fn from(e: ResumeError) -> Self {
        Self::Resume(e)
    }
}
impl From<RegionError> for Failure {
    fn from(e: RegionError) -> Self {
        match e {
            RegionError::Damaged(what) => Self::corrupt(what),
            other => Self::Store(StoreError::Region(other)),
        }
    }
}
