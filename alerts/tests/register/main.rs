//! The register as the app and the dashboard use it.

mod act;
mod acts;
mod apply;
mod bulk;
mod desk;
mod lists;
mod scope;
mod tick;
mod undo;
mod versions;
