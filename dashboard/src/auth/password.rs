//! argon2id with the parameters of ASVS 5.0 appendix C: 19 MiB, 2 passes, 1 lane.

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::AuthError;

/// A hash of nothing, with our parameters: verifying against it takes as long as against a real
/// one, so that the time of an answer does not say whether a user exists.
pub(crate) const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon() -> Argon2<'static> {
    // 19456 KiB, 2 passes and 1 lane are the crate's own defaults, named here because the DUMMY
    // above must have the same.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// Hash with its salt and parameters, as PHC text.
pub(crate) fn hash(password: &str) -> Result<String, AuthError> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = argon().hash_password(password.as_bytes(), &salt).map_err(AuthError::Hash)?;
    Ok(hash.to_string())
}

/// Does the password fit? A stored text that is no hash fits nothing.
pub(crate) fn verify(password: &str, hash: &str) -> bool {
    match PasswordHash::new(hash) {
        Ok(hash) => argon().verify_password(password.as_bytes(), &hash).is_ok(),
        Err(error) => {
            tracing::error!(%error, "stored password hash is unreadable");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_password_and_no_other() {
        let stored = hash("đúng mật khẩu").expect("hashes");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("đúng mật khẩu", &stored));
        assert!(!verify("đúng mật khẩu ", &stored));
        assert!(!verify("", "not a hash"));
    }

    #[test]
    fn the_dummy_is_a_hash_that_nothing_fits() {
        assert!(PasswordHash::new(DUMMY).is_ok());
        assert!(!verify("", DUMMY));
    }
}
