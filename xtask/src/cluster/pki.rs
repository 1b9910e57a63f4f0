//! Keys and certificates, made anew for each cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// A certificate authority in a folder of PEM files.
pub(super) struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority and writes its certificate to `NAME.crt`. Its key
    /// stays in memory: whoever wants a certificate later makes a new cluster.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{name}.crt")), issuer.pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer,
        })
    }

    /// Issues `NAME.crt` and `NAME.key` for a client: a user, and the group
    /// that Kubernetes takes from the organization.
    pub(super) fn client(&self, name: &str, user: &str, group: &str) -> Result<()> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, params)
    }

    /// Issues `NAME.crt` and `NAME.key` for a server with these names and addresses.
    pub(super) fn server(&self, name: &str, hosts: &[&str]) -> Result<()> {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(name, params)
    }

    /// The authority's certificate as PEM.
    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn issue(&self, name: &str, mut params: CertificateParams) -> Result<()> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("certificate of {name}"))?;
        fs::write(self.folder.join(format!("{name}.crt")), certificate.pem())?;
        write_secret(
            &self.folder.join(format!("{name}.key")),
            &key.serialize_pem(),
        )
    }
}

/// Makes the key pair that service account tokens are signed with:
/// `NAME.key` and, to verify them, `NAME.pub`.
pub(super) fn key_pair(folder: &Path, name: &str) -> Result<()> {
    let key = KeyPair::generate()?;
    fs::write(folder.join(format!("{name}.pub")), key.public_key_pem())?;
    write_secret(&folder.join(format!("{name}.key")), &key.serialize_pem())
}

/// Writes a file that only its owner may read.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
