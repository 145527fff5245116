//! Signed JSON Web Tokens of others (RFC 7515, RFC 7519), checked against their keys (RFC 7517). RS256 and ES256 only.

mod claims;

pub use claims::Claims;

use crate::crypto;
use p256::ecdsa::signature::Verifier;
use rsa::BoxedUint;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

/// Longest token. ID tokens with many groups have 4 KiB.
const MAX_TOKEN: usize = 16 * 1024;

/// Most keys of a set that are tried. Providers publish two to four.
const MAX_KEYS: usize = 16;

/// Sizes of RSA keys, in bytes. Below, they can be broken; above, checking takes long.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// Why a token is not accepted. For the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64url with JSON objects in them.
    #[error("not a signed JWT")]
    Malformed,
    /// Another algorithm, or a header that has to be understood and is not.
    #[error("algorithm is not RS256 or ES256")]
    Algorithm,
    /// No key of this id.
    #[error("no such key")]
    UnknownKey,
    /// No key fits.
    #[error("wrong signature")]
    Signature,
    /// A claim is missing or not what it has to be.
    #[error("claim `{0}` is missing or wrong")]
    Claim(&'static str),
    /// `exp` is in the past.
    #[error("has expired")]
    Expired,
    /// Seen before.
    #[error("was used before")]
    Replayed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// A token that has been read and not been checked.
#[derive(Debug)]
pub struct Jwt {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    signed: String,
    signature: Vec<u8>,
    /// Nothing in here counts before [`Jwt::verify`].
    claims: Map<String, Value>,
}

impl Jwt {
    /// Read a token in compact form.
    pub fn parse(text: &str) -> Result<Self, JwtError> {
        if text.len() > MAX_TOKEN {
            return Err(JwtError::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let decode = |part: &str| crypto::unbase64(part).ok_or(JwtError::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| JwtError::Malformed)?;
        let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| JwtError::Malformed)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            _ => return Err(JwtError::Algorithm),
        };
        if header.crit.is_some() {
            return Err(JwtError::Algorithm);
        }
        let (signed, signature) = (signed.to_owned(), decode(signature)?);
        Ok(Self { algorithm, kid: header.kid, typ: header.typ, signed, signature, claims })
    }

    /// A claim of a token whose signature is not checked yet, to find out whose keys to take.
    pub fn unchecked(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Whether the header has this type, with or without `application/` in front (RFC 7515 section 4.1.9).
    pub fn is_type(&self, expected: &str) -> bool {
        let typ = self.typ.as_deref().unwrap_or_default();
        let typ = typ.strip_prefix("application/").unwrap_or(typ);
        typ.eq_ignore_ascii_case(expected)
    }

    /// Check the signature against a set of keys. The claims, if it fits.
    pub fn verify(&self, jwks: &Value) -> Result<Claims, JwtError> {
        let keys = jwks.get("keys").and_then(Value::as_array).ok_or(JwtError::UnknownKey)?;
        let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(String::from);
        let mut found = false;
        let (kty, alg) = match self.algorithm {
            Algorithm::Rs256 => ("RSA", "RS256"),
            Algorithm::Es256 => ("EC", "ES256"),
        };
        let fits = |key: &&Value| {
            text(key, "kty").as_deref() == Some(kty)
                && text(key, "alg").is_none_or(|value| value == alg)
                && text(key, "use").is_none_or(|value| value == "sig")
                && (self.kid.is_none() || text(key, "kid").is_none() || text(key, "kid") == self.kid)
        };
        for key in keys.iter().filter(fits).take(MAX_KEYS) {
            found = true;
            let bytes = |name: &str| text(key, name).and_then(|value| crypto::unbase64(&value)).unwrap_or_default();
            let right = match self.algorithm {
                Algorithm::Rs256 => rs256(&bytes("n"), &bytes("e"), self.signed.as_bytes(), &self.signature),
                Algorithm::Es256 if text(key, "crv").as_deref() == Some("P-256") => {
                    es256(&bytes("x"), &bytes("y"), self.signed.as_bytes(), &self.signature)
                }
                Algorithm::Es256 => None,
            };
            if right.is_some() {
                return Ok(Claims(self.claims.clone()));
            }
        }
        Err(if found { JwtError::Signature } else { JwtError::UnknownKey })
    }
}

fn rs256(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    if !RSA_BYTES.contains(&n.len()) || e.is_empty() || e.len() > 4 {
        return None;
    }
    let (n, e) = (BoxedUint::from_be_slice_vartime(n), BoxedUint::from_be_slice_vartime(e));
    let key = rsa::RsaPublicKey::new(n, e).ok()?;
    let signature = rsa::pkcs1v15::Signature::try_from(signature).ok()?;
    rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(message, &signature).ok()
}

fn es256(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let (x, y): ([u8; 32], [u8; 32]) = (x.try_into().ok()?, y.try_into().ok()?);
    let point = [&[4], &x[..], &y[..]].concat();
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
    let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
    key.verify(message, &signature).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::signing::Signer;
    use serde_json::json;

    /// RFC 7515 appendix A.3.
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    /// RFC 7515 appendix A.2.
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    /// Signed with a key of 1024 bits (`openssl genrsa 1024`, `openssl dgst -sha256 -sign`).
    const SHORT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UifQ.ofmA7GB8jqBUUj2FmCsPIyoa08lRPOVa8-RqtnRiFF38QC_AMPGrDXFezRxqH6Wjdsf20-pRF8s4fddpTd58tRkjgFp0SBb8lL7ea_Ib1lQBG4GC_GYapXB4waPK734UhLfUzS3fjNLdqyaId1YUybmRGRdQtktXx7HveLos0Sc";
    const SHORT_KEY: &str = "pGdgh0vCzFfeG_pvlrRUMujrt2kaYMn_dHddfuj01PQllqk7p-tTkfCXP-9URyoq3yt2avcS6Fsta9kt_80VtP7S6pfCrWas-dfXKuZLiERkOSQbYan5bLtceyxvF4lNm1ZFs_ofmjs2QjDQBO1xGUbHdSca0UqNE5fWBQMQ2QM";

    fn es256_key() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    #[test]
    fn the_examples_of_the_rfc_are_right() {
        let claims = Jwt::parse(ES256).unwrap().verify(&json!({ "keys": [es256_key()] })).unwrap();
        assert_eq!((claims.text("iss"), claims.time("exp")), (Some("joe"), Some(1_300_819_380)));
        assert!(Jwt::parse(RS256).unwrap().verify(&Signer::rs256().jwks()).is_ok());
    }

    #[test]
    fn keys_that_are_not_for_it_do_not_count() {
        let jwt = Jwt::parse(ES256).unwrap();
        let with = |name: &str, value: Value| {
            let mut key = es256_key();
            key[name] = value;
            json!({ "keys": [key] })
        };
        for (keys, error) in [
            (json!({}), JwtError::UnknownKey),
            (json!({ "keys": [] }), JwtError::UnknownKey),
            (with("use", json!("enc")), JwtError::UnknownKey),
            (with("alg", json!("ES384")), JwtError::UnknownKey),
            (with("kty", json!("RSA")), JwtError::UnknownKey),
            (with("crv", json!("secp256k1")), JwtError::Signature),
            (with("x", json!("AA")), JwtError::Signature),
            (with("y", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")), JwtError::Signature),
        ] {
            assert_eq!(jwt.verify(&keys), Err(error), "{keys}");
        }
        // The right signature of a key of 1024 bits, which can be broken.
        let short = json!({ "keys": [{ "kty": "RSA", "n": SHORT_KEY, "e": "AQAB" }] });
        assert_eq!(Jwt::parse(SHORT).unwrap().verify(&short), Err(JwtError::Signature));
    }

    #[test]
    fn a_header_that_has_to_be_understood_and_is_not_is_refused() {
        for (header, expected) in [
            (json!({ "alg": "ES256" }), Ok(())),
            (json!({ "alg": "ES256", "x": 1 }), Ok(())),
            (json!({ "alg": "ES256", "crit": ["x"], "x": 1 }), Err(JwtError::Algorithm)),
            (json!({ "alg": "none" }), Err(JwtError::Algorithm)),
            (json!({ "alg": "HS256" }), Err(JwtError::Algorithm)),
        ] {
            let token = format!("{}.e30.AA", crypto::base64(header.to_string().as_bytes()));
            assert_eq!(Jwt::parse(&token).map(|_| ()), expected, "{header}");
        }
    }

    #[test]
    fn a_changed_letter_of_the_signature_or_the_claims_is_seen() {
        for (token, keys) in [(ES256, json!({ "keys": [es256_key()] })), (RS256, Signer::rs256().jwks())] {
            for at in [30, 40, token.len() - 40, token.len() - 5] {
                let mut changed = token.as_bytes().to_vec();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                let jwt = Jwt::parse(std::str::from_utf8(&changed).unwrap());
                assert!(jwt.and_then(|jwt| jwt.verify(&keys)).is_err(), "{at}");
            }
        }
    }
}
