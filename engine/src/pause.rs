//! How long to wait before something is tried again that was of no use: twice as long each time.

/// So many turns pass at most.
const MOST: u32 = 63;

#[derive(Default)]
pub(crate) struct Pause {
    /// Turns that are still to pass, and how many passed the last time.
    left: u32,
    last: u32,
}

impl Pause {
    /// It was of no use.
    pub(crate) fn put_off(&mut self) {
        self.last = (2 * self.last + 1).min(MOST);
        self.left = self.last;
    }

    /// It was of use.
    pub(crate) fn end(&mut self) {
        self.last = 0;
    }

    /// Whether it should be tried in this turn.
    pub(crate) fn is_over(&mut self) -> bool {
        let over = self.left == 0;
        self.left = self.left.saturating_sub(1);
        over
    }
}
