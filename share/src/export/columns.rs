use ioc_model::{Aggregate, Window};

/// A column of a table of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Of the usable points.
    Of(Aggregate),
    /// Number of bad points.
    Bad,
}

impl Column {
    pub(super) const ALL: [Self; 7] = [
        Self::Of(Aggregate::Min),
        Self::Of(Aggregate::Max),
        Self::Of(Aggregate::Mean),
        Self::Of(Aggregate::Sum),
        Self::Of(Aggregate::Count),
        Self::Of(Aggregate::Last),
        Self::Bad,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Of(Aggregate::Min) => "min",
            Self::Of(Aggregate::Max) => "max",
            Self::Of(Aggregate::Mean) => "mean",
            Self::Of(Aggregate::Sum) => "sum",
            Self::Of(Aggregate::Count) => "count",
            Self::Of(Aggregate::Last) => "last",
            Self::Bad => "bad",
        }
    }

    /// Whole numbers that every window has.
    pub(super) fn number(self, w: &Window) -> Option<u64> {
        match self {
            Self::Of(Aggregate::Count) => Some(w.count),
            Self::Bad => Some(w.bad),
            Self::Of(_) => None,
        }
    }

    /// `None`: no usable point is in the window.
    pub(super) fn value(self, w: &Window) -> Option<f64> {
        match self {
            Self::Of(how) => w.value(how),
            Self::Bad => Some(w.bad as f64),
        }
    }
}
