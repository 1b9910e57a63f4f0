//! What was done, told if it went wrong.

use std::{cell::RefCell, time::Instant};

/// Actions, one line each.
pub(crate) struct Story {
    began: Instant,
    lines: RefCell<Vec<String>>,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            lines: RefCell::default(),
        }
    }

    pub(crate) fn tell(&self, what: String) {
        let at = self.began.elapsed().as_secs_f64();
        self.lines.borrow_mut().push(format!("{at:8.3} {what}"));
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.borrow().len()
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.lines.borrow().iter() {
                eprintln!("{line}");
            }
        }
    }
}
