//! The cluster's own certificate authority and what it signs. Made once; later runs only add what a
//! new node needs.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::plan::{API_SERVICE, Node, Plan};

/// Makes what is missing of the keys and certificates of all nodes.
pub(crate) fn ensure(plan: &Plan) -> Result<()> {
    fs::create_dir_all(plan.pki())
        .with_context(|| format!("cannot create {}", plan.pki().display()))?;
    let pki = Pki { dir: plan.pki() };
    let ca = pki.authority("ca", &format!("serin cluster {}", plan.name))?;
    pki.issue(&ca, "apiserver", "kube-apiserver", None, &api_server_names(plan))?;
    pki.issue(&ca, "apiserver-kubelet", "kube-apiserver-kubelet", Some("system:masters"), &[])?;
    for (file, user) in CLIENTS {
        pki.issue(&ca, file, user, None, &[])?;
    }
    pki.issue(&ca, ADMIN, "kubernetes-admin", Some("system:masters"), &[])?;
    for node in &plan.nodes {
        let user = format!("system:node:{}", node.name);
        pki.issue(&ca, &kubelet(node), &user, Some("system:nodes"), &node_names(node))?;
    }
    let front_proxy = pki.authority("front-proxy-ca", "front-proxy-ca")?;
    pki.issue(&front_proxy, "front-proxy", "front-proxy-client", None, &[])?;
    pki.token_key()
}

/// Writes a kubeconfig for whoever the certificate `file` names.
pub(crate) fn write_kubeconfig(plan: &Plan, file: &str, to: &Path) -> Result<()> {
    let pki = Pki { dir: plan.pki() };
    let data = |name: &str| -> Result<String> { Ok(STANDARD.encode(pki.read(name)?)) };
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": plan.name.to_string(),
        "contexts": [{
            "name": plan.name.to_string(),
            "context": { "cluster": plan.name.to_string(), "user": file },
        }],
        "clusters": [{
            "name": plan.name.to_string(),
            "cluster": {
                "server": plan.api_server(),
                "certificate-authority-data": data("ca.crt")?,
            },
        }],
        "users": [{
            "name": file,
            "user": {
                "client-certificate-data": data(&format!("{file}.crt"))?,
                "client-key-data": data(&format!("{file}.key"))?,
            },
        }],
    });
    write_secret(to, &serde_json::to_string_pretty(&config)?)
}

/// The base name of a kubelet's key and certificate.
pub(crate) fn kubelet(node: &Node) -> String {
    format!("kubelet-{}", node.number)
}

pub(crate) const ADMIN: &str = "admin";
const CLIENTS: &[(&str, &str)] = &[
    ("controller-manager", "system:kube-controller-manager"),
    ("scheduler", "system:kube-scheduler"),
    ("kube-proxy", "system:kube-proxy"),
];

struct Pki {
    dir: PathBuf,
}

impl Pki {
    fn authority(&self, file: &str, name: &str) -> Result<Issuer<'static, KeyPair>> {
        if !self.holds(file) {
            let mut params = params(name, None)?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages =
                vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            let certificate = params.self_signed(&key)?;
            self.write(file, &key, &certificate.pem())?;
        }
        let key = KeyPair::from_pem(&self.read(&format!("{file}.key"))?)?;
        Ok(Issuer::from_ca_cert_pem(&self.read(&format!("{file}.crt"))?, key)?)
    }

    fn issue(
        &self,
        issuer: &Issuer<'static, KeyPair>,
        file: &str,
        name: &str,
        organization: Option<&str>,
        names: &[SanType],
    ) -> Result<()> {
        if self.holds(file) {
            return Ok(());
        }
        let mut params = params(name, organization)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = names.to_vec();
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        self.write(file, &key, &certificate.pem())
    }

    /// The key that signs service-account tokens.
    fn token_key(&self) -> Result<()> {
        let path = self.dir.join("token.pub");
        if path.exists() {
            return Ok(());
        }
        let key = KeyPair::generate()?;
        write_secret(&self.dir.join("token.key"), &key.serialize_pem())?;
        fs::write(path, key.public_key_pem())?;
        Ok(())
    }

    fn holds(&self, file: &str) -> bool {
        self.dir.join(format!("{file}.crt")).exists()
    }

    /// The certificate is written last: where it is, the key is.
    fn write(&self, file: &str, key: &KeyPair, certificate: &str) -> Result<()> {
        write_secret(&self.dir.join(format!("{file}.key")), &key.serialize_pem())?;
        fs::write(self.dir.join(format!("{file}.crt")), certificate)?;
        Ok(())
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

fn params(name: &str, organization: Option<&str>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn api_server_names(plan: &Plan) -> Vec<SanType> {
    let addresses = [API_SERVICE, plan.first().address, std::net::Ipv4Addr::LOCALHOST];
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ];
    addresses
        .into_iter()
        .map(|address| SanType::IpAddress(IpAddr::V4(address)))
        .chain(names.into_iter().filter_map(|name| Some(SanType::DnsName(name.try_into().ok()?))))
        .collect()
}

fn node_names(node: &Node) -> Vec<SanType> {
    let name = node.name.as_str().try_into().ok().map(SanType::DnsName);
    [SanType::IpAddress(IpAddr::V4(node.address))].into_iter().chain(name).collect()
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
