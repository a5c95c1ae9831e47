use std::path::PathBuf;

use ioc_model::HistoryError;

/// What goes wrong in history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database under the embedded store or the InfluxDB cursor.
    #[error("history database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The folder of the database cannot be made or changed.
    #[error("history folder {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process writes to the database.
    #[error("history database {} is in use by another process", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// Written by a later version of this program.
    #[error("history database {} has layout {found}, this program knows up to {known}", path.display())]
    Layout {
        /// Which.
        path: PathBuf,
        /// Found in the file.
        found: i64,
        /// Newest known.
        known: i64,
    },
    /// The list of the tables is damaged.
    #[error("the schema of the history database is damaged")]
    DamagedSchema,
    /// The name or the position of a series is damaged.
    #[error("a row of the series table of the history database is damaged")]
    DamagedSeries,
    /// The file was repaired several times and cannot be read again.
    #[error("the history database is damaged again and again: is the disk failing?")]
    DamagedAgain,
    /// Points could not be compressed.
    #[error("compress points: {0}")]
    Compress(#[source] pco::errors::PcoError),
    /// A setting cannot be used.
    #[error("history setting `{setting}`: {why}")]
    Setting {
        /// Name of the field.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The file with the token cannot be read.
    #[error("token file {}: {source}", path.display())]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The HTTP client cannot be made.
    #[error("http client: {0}")]
    Client(String),
    /// A query to the server failed; safe to repeat.
    #[error("query: {0}")]
    Query(String),
    /// The server will not answer this query, however often it is asked.
    #[error("query refused: {0}")]
    QueryRefused(String),
    /// The blocking task that did the work ended early.
    #[error("history task: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<Error> for HistoryError {
    fn from(e: Error) -> Self {
        match e {
            Error::Query(why) | Error::QueryRefused(why) => Self::Unavailable(why),
            other => Self::Store(Box::new(other)),
        }
    }
}
