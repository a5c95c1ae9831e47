//! The operators' page, embedded in the binary.
//!
//! What it does: `build.rs` builds the Svelte page of this folder with npm and Vite, and [`get`]
//! hands out its files by path. What it does not: HTTP; caching headers, the content security
//! policy and the fall-back to `index.html` are the dashboard's.
//!
//! Data flow: `page/` → `vite build` → `$OUT_DIR/ui` → `rust-embed` → [`get`]. File names under
//! `assets/` carry a hash of their content, so they may be cached for ever; `index.html` may not.
//!
//! How it fails: the build stops with npm's own words when npm is missing or fails. With
//! `IOC_UI_DIST=dir` a prebuilt page is taken instead, and with `IOC_UI=skip` a placeholder page
//! that says so. At run time nothing can fail: the files are part of the program.
//!
//! The page works under this content security policy: `default-src 'none'; script-src 'self';
//! style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none';
//! object-src 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types
//! svelte-trusted-html`.

mod embed;

pub use embed::{get, paths};
