//! The atomics that shared memory is made of.
//!
//! In ordinary builds they are std's. With the feature `crash-points` every operation on them first asks
//! [`crate::crash::step`], so that a test can let another "process" run in between, or end this one:
//! `tests/kill/model.rs` runs the protocol itself so, under a scheduler.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(feature = "crash-points"))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64};

#[cfg(feature = "crash-points")]
pub(crate) use stepped::{AtomicU32, AtomicU64};

#[cfg(feature = "crash-points")]
mod stepped {
    use crate::crash::step;
    use std::sync::atomic::Ordering;

    macro_rules! stepped {
        ($name:ident, $number:ty) => {
            /// As std's of the same name, and laid out as it.
            #[repr(transparent)]
            #[derive(Default, Debug)]
            pub(crate) struct $name(std::sync::atomic::$name);

            #[allow(dead_code)] // not every width needs every operation
            impl $name {
                pub(crate) const fn new(n: $number) -> Self {
                    Self(std::sync::atomic::$name::new(n))
                }
                #[inline(always)]
                pub(crate) fn load(&self, order: Ordering) -> $number {
                    step();
                    self.0.load(order)
                }
                #[inline(always)]
                pub(crate) fn store(&self, n: $number, order: Ordering) {
                    step();
                    self.0.store(n, order);
                }
                #[inline(always)]
                pub(crate) fn swap(&self, n: $number, order: Ordering) -> $number {
                    step();
                    self.0.swap(n, order)
                }
                #[inline(always)]
                pub(crate) fn compare_exchange(
                    &self,
                    from: $number,
                    to: $number,
                    done: Ordering,
                    failed: Ordering,
                ) -> Result<$number, $number> {
                    step();
                    self.0.compare_exchange(from, to, done, failed)
                }
                #[inline(always)]
                pub(crate) fn fetch_add(&self, n: $number, order: Ordering) -> $number {
                    step();
                    self.0.fetch_add(n, order)
                }
                #[inline(always)]
                pub(crate) fn fetch_and(&self, n: $number, order: Ordering) -> $number {
                    step();
                    self.0.fetch_and(n, order)
                }
                #[inline(always)]
                pub(crate) fn fetch_or(&self, n: $number, order: Ordering) -> $number {
                    step();
                    self.0.fetch_or(n, order)
                }
                #[inline(always)]
                pub(crate) fn fetch_max(&self, n: $number, order: Ordering) -> $number {
                    step();
                    self.0.fetch_max(n, order)
                }
                pub(crate) fn as_ptr(&self) -> *mut $number {
                    self.0.as_ptr()
                }
            }
        };
    }
    stepped!(AtomicU32, u32);
    stepped!(AtomicU64, u64);
}
