//! A running `ioc` with all three ways in.

use std::path::PathBuf;

use anyhow::{Context, Result};
use ioc_tests::{Ioc, IocOptions, certificates};
use tempfile::TempDir;

/// How a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Tcp,
    Tls,
    WebSocket,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Tls, Self::WebSocket];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
        }
    }
}

pub struct City {
    pub ioc: Ioc,
    folder: TempDir,
}

impl City {
    /// Everybody is trusted on every way: who may connect is the business of other tests.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        certificates(folder.path())?;
        let settings = format!(
            "ingest:\n  gateway:\n    anonymous: all\n    tls:\n      listen: 127.0.0.1:0\n      \
             certificate_file: {}\n      key_file: {}\n",
            at("server.pem").display(),
            at("server.key").display(),
        );
        let data = at("data");
        std::fs::create_dir(&data)?;
        let options = IocOptions { settings: Some(settings), ..IocOptions::default() };
        Ok(Self { ioc: Ioc::start(&data, &options)?, folder })
    }

    /// The authority that clients are to trust.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// For files of a client.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The port of a way in; all are on loopback.
    pub fn port(&self, way: Way) -> Result<u16> {
        Ok(Ioc::port(match way {
            Way::Tcp => &self.ioc.mqtt,
            Way::Tls => self.ioc.mqtts.as_deref().context("no TLS listener")?,
            Way::WebSocket => &self.ioc.http,
        }))
    }
}
