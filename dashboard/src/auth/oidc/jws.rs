//! Signatures of ID tokens: JWS compact form (RFC 7515) with three algorithms, and nothing else.
//!
//! The algorithm is what the *key* can do, not what the token asks for: an RSA key checks RS256
//! only, so no token can have a public key used as a shared secret, or none at all. Keys, links and
//! certificates inside a token are never looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::error::OidcError;

const MAX_TOKEN_BYTES: usize = 64 * 1_024;
/// Keys of a set that are looked at.
const MAX_KEYS: usize = 64;

/// `jwks_uri`, as it comes.
#[derive(Debug, Deserialize)]
pub(super) struct KeySet {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Debug)]
enum Material {
    /// RS256: modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// ES256: the point, uncompressed.
    P256(Vec<u8>),
    /// EdDSA with Ed25519.
    Ed25519(Vec<u8>),
}

impl Material {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(..) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            Self::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
            }
        }
    }
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    material: Material,
}

/// The keys of a provider that we can use.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

impl From<KeySet> for Keys {
    /// Keys of other kinds and for other uses are left out.
    fn from(set: KeySet) -> Self {
        Self(set.keys.into_iter().take(MAX_KEYS).filter_map(key).collect())
    }
}

fn key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let signs = jwk.usage.as_deref().is_none_or(|u| u == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
    let exactly = |text: &Option<String>| bytes(text).filter(|b| b.len() == 32);
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let unsigned =
                |text| bytes(text).map(|b| b.into_iter().skip_while(|b| *b == 0).collect());
            Material::Rsa(unsigned(&jwk.n)?, unsigned(&jwk.e)?)
        }
        ("EC", Some("P-256")) => {
            let point = [vec![4], exactly(&jwk.x)?, exactly(&jwk.y)?];
            Material::P256(point.concat())
        }
        ("OKP", Some("Ed25519")) => Material::Ed25519(exactly(&jwk.x)?),
        _ => return None,
    };
    let meant = jwk.alg.as_deref().is_none_or(|alg| alg == material.algorithm());
    (signs && meant).then_some(Key { kid: jwk.kid, material })
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
    b64: Option<Value>,
}

/// A token, taken apart and not yet believed.
#[derive(Debug)]
pub(super) struct Token<'a> {
    header: Header,
    signed: &'a [u8],
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// What became of a look for the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One of the keys made the signature.
    Good,
    /// There is no such key: perhaps it is newer than the keys we have.
    UnknownKey,
    /// The key is there and did not make it.
    Bad,
}

impl<'a> Token<'a> {
    pub fn parse(text: &'a str) -> Result<Self, OidcError> {
        let malformed = OidcError::Token("is no signed token");
        if text.len() > MAX_TOKEN_BYTES {
            return Err(OidcError::Token("is too large"));
        }
        let Some((signed, signature)) = text.rsplit_once('.') else { return Err(malformed) };
        let Some((header, payload)) = signed.split_once('.') else { return Err(malformed) };
        if payload.contains('.') {
            return Err(OidcError::Token("is encrypted, or no signed token"));
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let (Some(header), Some(payload), Some(signature)) =
            (decode(header), decode(payload), decode(signature))
        else {
            return Err(malformed);
        };
        let header: Header =
            serde_json::from_slice(&header).map_err(|_| OidcError::Token("has a bad header"))?;
        if !["RS256", "ES256", "EdDSA"].contains(&header.alg.as_str()) {
            return Err(OidcError::Token("is signed by an algorithm that is not accepted"));
        }
        // Not understood means not accepted (RFC 7515, 4.1.11; RFC 7797).
        if header.crit.is_some() || header.b64.is_some() {
            return Err(OidcError::Token("has header fields that are not understood"));
        }
        // An access or a logout token of the same provider is no ID token (RFC 8725, 3.11).
        if header.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(OidcError::Token("is of another kind"));
        }
        Ok(Self { header, signed: signed.as_bytes(), signature, payload })
    }

    /// Looks for the key and checks the signature.
    pub fn verdict(&self, keys: &Keys) -> Verdict {
        let fits = |key: &&Key| key.material.algorithm() == self.header.alg;
        let named: Vec<&Key> = match &self.header.kid {
            Some(kid) => {
                keys.0.iter().filter(fits).filter(|k| k.kid.as_ref() == Some(kid)).collect()
            }
            // Without a name there must be no choice (OpenID Connect Core, 10.1).
            None => match keys.0.iter().filter(fits).collect::<Vec<_>>() {
                one if one.len() == 1 => one,
                _ => Vec::new(),
            },
        };
        match named.iter().any(|k| k.material.verifies(self.signed, &self.signature)) {
            true => Verdict::Good,
            false if named.is_empty() => Verdict::UnknownKey,
            false => Verdict::Bad,
        }
    }

    /// What it says; only after [`Verdict::Good`] there is a reason to believe it.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(jwk: Value, token: &str) -> Verdict {
        let keys = Keys::from(KeySet { keys: vec![jwk] });
        Token::parse(token).expect("a token").verdict(&keys)
    }

    /// RFC 7515, A.2 and A.3, RFC 8037, A.4: keys and signatures that others made.
    #[test]
    fn agrees_with_the_examples_of_the_standards() {
        let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm\
                      NvbS9pc19yb290Ijp0cnVlfQ";
        let rsa = json!({ "kty": "RSA", "e": "AQAB", "n":
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz\
             P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
             3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw\
             Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
             yuXpoQ" });
        let made = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Q\
                    c_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyW\
                    zO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC\
                    -eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLI\
                    hWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{claims}.{made}");
        assert_eq!(verdict(rsa.clone(), &token), Verdict::Good);
        let p256 = json!({ "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let made = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-\
                    Kg6NU1Q";
        let token = format!("eyJhbGciOiJFUzI1NiJ9.{claims}.{made}");
        assert_eq!(verdict(p256, &token), Verdict::Good);
        let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                     hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_\
                     MuM0KAg";
        assert_eq!(verdict(ed25519.clone(), token), Verdict::Good);
        let other = token.replace("RXhhbXBs", "RXhhbXBt");
        assert_eq!(verdict(ed25519, &other), Verdict::Bad);
        assert_eq!(verdict(rsa, token), Verdict::UnknownKey, "an RSA key checks no EdDSA");
    }
}
