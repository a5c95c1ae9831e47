/// Why a checkpoint could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Written by another version of the engine.
    #[error("checkpoint version {found} is not {expected}")]
    CheckpointVersion {
        /// In the bytes.
        found: u16,
        /// Of this engine.
        expected: u16,
    },
    /// The bytes end or lie.
    #[error("checkpoint is damaged: {0}")]
    Checkpoint(&'static str),
    /// The bytes are no checkpoint.
    #[error("checkpoint cannot be read")]
    Decode(#[from] postcard::Error),
}
