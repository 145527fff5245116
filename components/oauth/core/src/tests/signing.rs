//! Somebody else's keys. Made for these tests, and worth nothing elsewhere.

use crate::crypto::{base64, unbase64};
use p256::ecdsa::signature::Signer as _;
use rsa::BoxedUint;
use serde_json::{Value, json};
use sha2::Sha256;

pub enum Signer {
    Es256 { key: p256::ecdsa::SigningKey, kid: &'static str },
    Rs256 { key: Box<rsa::pkcs1v15::SigningKey<Sha256>>, n: String },
}

impl Signer {
    pub fn es256() -> Self {
        Self::Es256 { key: p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap(), kid: "one" }
    }

    pub fn es256_other() -> Self {
        Self::Es256 { key: p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap(), kid: "two" }
    }

    /// The key of RFC 7515 appendix A.2.
    pub fn rs256() -> Self {
        let number = |text: &str| BoxedUint::from_be_slice_vartime(&unbase64(text).unwrap());
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        let d = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
        let p = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
        let q = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
        let key = rsa::RsaPrivateKey::from_components(
            number(n),
            BoxedUint::from_be_slice_vartime(&[1, 0, 1]),
            number(d),
            vec![number(p), number(q)],
        );
        Self::Rs256 { key: Box::new(rsa::pkcs1v15::SigningKey::new(key.unwrap())), n: n.into() }
    }

    pub fn jwks(&self) -> Value {
        let key = match self {
            Self::Es256 { key, kid } => {
                let point = key.verifying_key().to_sec1_point(false);
                let bytes = point.as_bytes();
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": base64(&bytes[1..33]), "y": base64(&bytes[33..]) })
            }
            Self::Rs256 { n, .. } => json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB" }),
        };
        json!({ "keys": [{ "kty": "oct", "k": "AA" }, key] })
    }

    pub fn sign(&self, header: Value, claims: &Value) -> String {
        let mut header = header;
        let alg = match self {
            Self::Es256 { kid, .. } => {
                header["kid"] = json!(kid);
                "ES256"
            }
            Self::Rs256 { .. } => "RS256",
        };
        header["alg"] = json!(alg);
        let signed = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
        let signature = match self {
            Self::Es256 { key, .. } => {
                let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
                signature.to_bytes().to_vec()
            }
            Self::Rs256 { key, .. } => {
                use rsa::signature::SignatureEncoding;
                let signature: rsa::pkcs1v15::Signature = key.sign(signed.as_bytes());
                signature.to_vec()
            }
        };
        format!("{signed}.{}", base64(&signature))
    }
}

/// A client assertion as it should be, with changes; null takes a claim out.
pub fn assertion(signer: &Signer, client: &str, now: u64, changes: &Value) -> String {
    let claims = json!({ "iss": client, "sub": client, "aud": super::bench::ISSUER, "iat": now, "exp": now + 300 });
    signer.sign(json!({ "typ": "JWT" }), &changed(claims, changes))
}

pub fn changed(mut claims: Value, changes: &Value) -> Value {
    let fields = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    claims
}
