//! Where to publish: `mqtt://[user[:password]@]host[:port]`.

use std::str::FromStr;

/// The MQTT server that a simulator publishes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// TCP port, 1883 unless said.
    pub port: u16,
    /// User and password.
    pub login: Option<(String, String)>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "for example mqtt://127.0.0.1:1883";
        if text.starts_with("mqtts://") || text.starts_with("ssl://") {
            return Err(format!("the simulators speak MQTT without TLS only, {example}"));
        }
        let url = reqwest::Url::parse(text).map_err(|e| format!("{e}; {example}"))?;
        if url.scheme() != "mqtt" && url.scheme() != "tcp" {
            return Err(format!("`{}` is no scheme of MQTT; {example}", url.scheme()));
        }
        let host = url.host_str().filter(|h| !h.is_empty());
        let host = host.ok_or_else(|| format!("the host is missing; {example}"))?;
        let login = (!url.username().is_empty())
            .then(|| (url.username().to_string(), url.password().unwrap_or("").to_string()));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        Ok(Self { host, port: url.port().unwrap_or(1883), login })
    }
}

impl std::fmt::Display for Target {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mqtt://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_port_and_login() {
        let t: Target = "mqtt://u:p@example.org".parse().expect("valid");
        assert_eq!((t.host.as_str(), t.port), ("example.org", 1883));
        assert_eq!(t.login, Some(("u".into(), "p".into())));
        assert_eq!(t.to_string(), "mqtt://example.org:1883");
        let t: Target = "mqtt://[::1]:9".parse().expect("valid");
        assert_eq!((t.host.as_str(), t.port), ("::1", 9));
    }

    #[test]
    fn refuses_other_schemes_with_an_example() {
        for bad in ["http://h", "mqtts://h", "127.0.0.1:1883", "mqtt://"] {
            let error = bad.parse::<Target>().expect_err("refused");
            assert!(error.contains("mqtt://127.0.0.1:1883"), "{bad}: {error}");
        }
    }
}
