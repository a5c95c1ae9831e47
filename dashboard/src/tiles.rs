//! Map tiles of another server under the wards: which, and the policy that lets in only its host.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::ConfigMistake;

/// Deepest zoom of common tile servers.
const DEEPEST: u8 = 22;

/// The section `dashboard.map`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapConfig {
    /// Where browsers fetch raster tiles: `https://tiles.example.vn/{z}/{x}/{y}.png`, or a path
    /// such as `/tiles/{z}/{x}/{y}.png` that a proxy before this server answers. Absent: the map
    /// is drawn from the boundaries alone, and asks nobody.
    pub raster: Option<String>,
    /// Whom the map names for its tiles; most licences ask for it.
    pub attribution: String,
    /// Deepest zoom that the tiles have; from there on they are enlarged.
    pub max_zoom: u8,
}

impl Default for MapConfig {
    fn default() -> Self {
        Self { raster: None, attribution: String::new(), max_zoom: 18 }
    }
}

/// Tiles that were found usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Tiles {
    raster: String,
    attribution: String,
    max_zoom: u8,
    /// The origin of the tiles; `None`: ours.
    #[serde(skip)]
    origin: Option<String>,
}

impl Tiles {
    /// The configured tiles, if there are any.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(config: &MapConfig) -> Result<Option<Self>, ConfigMistake> {
        let Some(raster) = &config.raster else { return Ok(None) };
        if !["{z}", "{x}", "{y}"].iter().all(|hole| raster.contains(hole)) {
            return Err(ConfigMistake::Map("raster must contain {z}, {x} and {y}"));
        }
        if !(1..=DEEPEST).contains(&config.max_zoom) {
            return Err(ConfigMistake::Map("max_zoom must be from 1 to 22"));
        }
        Ok(Some(Self {
            raster: raster.clone(),
            attribution: config.attribution.clone(),
            max_zoom: config.max_zoom,
            origin: origin(raster)?,
        }))
    }

    /// The content security policy with the host of the tiles, which is the only one let in.
    pub fn policy(tiles: Option<&Self>, own: &str) -> String {
        const IMAGES: &str = "img-src 'self' data:";
        match tiles.and_then(|t| t.origin.as_deref()) {
            Some(origin) => own.replacen(IMAGES, &format!("{IMAGES} {origin}"), 1),
            None => own.to_owned(),
        }
    }
}

/// The origin of an address, from its parts, so that nothing else gets into the policy.
fn origin(raster: &str) -> Result<Option<String>, ConfigMistake> {
    if raster.starts_with('/') && !raster.starts_with("//") {
        return Ok(None);
    }
    const SHAPE: ConfigMistake = ConfigMistake::Map(
        "raster must be https://host/…, http://host/… or a path that begins with one /",
    );
    let url = Url::parse(raster).map_err(|_| SHAPE)?;
    // A hole in the host would let in hosts that nobody has named.
    let named = url.host_str().is_some_and(|h| !h.contains(['{', '}', '*', '%', ';', ',', '\'']));
    let plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "https" | "http") || !named || !plain {
        return Err(SHAPE);
    }
    Ok(Some(url.origin().ascii_serialization()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(raster: &str) -> Result<Option<Tiles>, ConfigMistake> {
        Tiles::new(&MapConfig { raster: Some(raster.into()), ..MapConfig::default() })
    }

    #[test]
    fn lets_in_the_host_of_the_tiles_and_no_other() {
        let own = "default-src 'none'; img-src 'self' data:; connect-src 'self'";
        let policy = |raster| {
            let tiles = made(raster).expect("usable");
            Tiles::policy(tiles.as_ref(), own)
        };
        let there = "https://tiles.example.vn:8443/a/{z}/{x}/{y}.png?key=1";
        let images = "img-src 'self' data: https://tiles.example.vn:8443;";
        assert_eq!(policy(there), own.replace("img-src 'self' data:;", images));
        assert_eq!(policy("/tiles/{z}/{x}/{y}.png"), own, "ours needs no other host");
        assert_eq!(Tiles::policy(None, own), own);
    }

    #[test]
    fn refuses_what_is_no_address_of_tiles() {
        for raster in [
            "https://t.example.vn/{z}/{x}.png",
            "https://{s}.example.vn/{z}/{x}/{y}.png",
            "https://*.example.vn/{z}/{x}/{y}.png",
            "https://a:b@t.example.vn/{z}/{x}/{y}.png",
            "javascript:alert(1)//{z}{x}{y}",
            "//t.example.vn/{z}/{x}/{y}.png",
            "tiles/{z}/{x}/{y}.png",
            "https://t.example.vn; script-src *//{z}/{x}/{y}.png",
        ] {
            assert!(made(raster).is_err(), "{raster}");
        }
        let shallow =
            MapConfig { max_zoom: 0, raster: Some("/{z}/{x}/{y}".into()), ..<_>::default() };
        assert!(Tiles::new(&shallow).is_err());
        assert_eq!(Tiles::new(&MapConfig::default()), Ok(None));
    }
}
