//! Whose certificates of servers count.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificate authorities. By default those that Mozilla trusts.
#[derive(Debug, Clone)]
pub struct Trust {
    roots: Arc<RootCertStore>,
}

/// Why a file with certificate authorities is no good. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read, or is not PEM.
    #[error("certificate authorities: {0} is no PEM file that can be read: {1}: check the path given to --trust")]
    Read(PathBuf, pem::Error),
    /// One of its certificates cannot be used.
    #[error("certificate authorities: certificate {1} in {0} cannot be used: {2}: take it out")]
    Certificate(PathBuf, usize, rustls::Error),
    /// There is none.
    #[error(
        "certificate authorities: there is no certificate in {0}: it has to have a line `-----BEGIN CERTIFICATE-----`"
    )]
    Empty(PathBuf),
}

impl Default for Trust {
    fn default() -> Self {
        Self { roots: Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }) }
    }
}

impl Trust {
    /// These, and the certificates of a PEM file. What else is in the file, such as keys, is not looked at.
    pub fn and_file(&self, path: &Path) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::clone(&self.roots);
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| TrustError::Read(path.into(), error))?;
        let mut count = 0;
        for certificate in certificates {
            count += 1;
            let certificate = certificate.map_err(|error| TrustError::Read(path.into(), error))?;
            roots.add(certificate).map_err(|error| TrustError::Certificate(path.into(), count, error))?;
        }
        match count {
            0 => Err(TrustError::Empty(path.into())),
            _ => Ok(Self { roots: Arc::new(roots) }),
        }
    }

    /// TLS 1.2 and 1.3 towards servers with certificates of these authorities.
    pub(super) fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(self.roots.clone()).with_no_client_auth())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_good_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let check = |content: &str, expected: &str| {
            std::fs::write(&file, content).unwrap();
            let error = Trust::default().and_file(&file).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("ca.pem"), "{error}");
        };
        check("", "there is no certificate");
        check("not PEM", "there is no certificate");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 in");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n", "is no PEM file that can be read");
        std::fs::remove_file(&file).unwrap();
        let error = Trust::default().and_file(&file).unwrap_err().to_string();
        assert!(error.contains("--trust"), "{error}");
    }

    #[test]
    fn the_authorities_of_a_file_are_added_to_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let pem = |_| rcgen::generate_simple_self_signed(["ca.example".into()]).unwrap().cert.pem();
        std::fs::write(&file, ["# two of them\n".into(), pem(1), pem(2)].concat()).unwrap();
        let all = Trust::default().and_file(&file).unwrap();
        assert_eq!(all.roots.len(), Trust::default().roots.len() + 2);
    }
}
