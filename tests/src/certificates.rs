//! A trial authority and a server's certificate for loopback, as the documentation says an owner
//! makes them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Makes `ca.pem`, `server.pem` and `server.key` in `folder`.
pub fn certificates(folder: &Path) -> Result<()> {
    let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n\
        keyUsage=critical,digitalSignature\n";
    std::fs::write(folder.join("server.ext"), extensions)?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for command in [
        format!(
            "req -x509 {key} -days 2 -subj /CN=trial \
             -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem"
        ),
        format!("req {key} -subj /CN=ioc -keyout server.key -out server.csr"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -extfile server.ext -out server.pem"
            .to_owned(),
    ] {
        let mut openssl = Command::new("openssl");
        openssl.args(command.split_whitespace()).current_dir(folder);
        let out = openssl.output().context("openssl is not here; run tests/install-deps.sh")?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "openssl {command}: {said}");
    }
    Ok(())
}
