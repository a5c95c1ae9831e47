use std::error::Error;

/// How entries become bytes. The journal knows nothing else about them.
pub trait Codec: Send + Sync + 'static {
    /// One entry.
    type Entry: Send + Sync + 'static;

    /// Appends the encoding of one batch to `out`. Called on the writer's thread only.
    fn encode(&self, entries: &[Self::Entry], out: &mut Vec<u8>);

    /// Reads what [`Codec::encode`] wrote.
    ///
    /// # Errors
    /// Any error, when the bytes are no batch. The bytes passed their CRC, so this means another
    /// version or a bug: the record is skipped and counted as corrupt.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Self::Entry>, Box<dyn Error + Send + Sync>>;
}
