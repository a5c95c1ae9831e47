//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text;
use crate::cli::Language;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    bar: ProgressBar,
    language: Language,
    /// When the last line was written; `None`: lines are not wanted.
    line: Option<Instant>,
}

impl Progress {
    pub fn new(language: Language, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match terminal && !quiet {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {msg} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let line = (!terminal && !quiet).then(Instant::now);
        Self { bar, language, line }
    }

    /// `rows`: readings so far, where they are counted.
    pub fn series(&mut self, done: u64, of: u64, rows: Option<u64>) {
        self.bar.set_length(of);
        self.bar.set_position(done);
        if let Some(rows) = rows {
            self.bar.set_message(text::rows(rows, self.language));
        }
        if self.line.is_some_and(|last| last.elapsed() >= LINE_EVERY) {
            self.line = Some(Instant::now());
            eprintln!("{}", text::so_far(done, of, rows, self.language));
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
