//! Open data as the world sees it: the shipped file, answers, and validators by others.

mod answers;
mod canary;
mod config;
mod conformance;
mod store;
