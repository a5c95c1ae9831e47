//! A request taken apart, and an answer before it has a socket.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;

/// A GET request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What follows the prefix under which the part is served, with its first slash, as sent
    /// (percent-encoded): `/datasets/air.csv`. Empty: the prefix itself.
    pub path: &'a str,
    /// Text after the `?`, as sent; empty without one.
    pub query: &'a str,
    /// Where the prefix is reached from outside, without a slash at its end:
    /// `https://ioc.example.vn/open`. For links in documents.
    pub base: &'a str,
    /// `Accept`, empty without one.
    pub accept: &'a str,
    /// `Accept-Language`, empty without one.
    pub language: &'a str,
    /// `If-None-Match`, empty without one.
    pub if_none_match: &'a str,
}

/// The stream of a body that is made while it is sent.
pub type BodyStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send + Sync>>;

/// What is sent after the head.
pub enum Body {
    /// Ready bytes.
    Bytes(Bytes),
    /// Made while it is sent; an error ends the connection, so that nobody takes a part for the
    /// whole.
    Stream(BodyStream),
}

impl Body {
    /// A body from a stream that one task at a time may poll (all that holds a future of the
    /// store is such).
    pub fn stream(stream: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Self {
        Self::Stream(Box::pin(Exclusive(Mutex::new(Box::pin(stream)))))
    }
}

/// Makes a stream `Sync`: it is only reached through `&mut`, so the lock is never taken.
struct Exclusive<S>(Mutex<Pin<Box<S>>>);

impl<S: Stream> Stream for Exclusive<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(b) => write!(f, "{} bytes", b.len()),
            Self::Stream(_) => f.write_str("a stream"),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers besides those that every answer carries; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Body,
}

impl Answer {
    /// Ready bytes with status 200.
    pub fn of(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", content_type.to_owned())],
            body: Body::Bytes(body.into()),
        }
    }

    /// The same with another status.
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
