// SPDX-License-Identifier: EUPL-1.2
//! A small public key infrastructure made by `openssl`, the foreign program all these tests measure against.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::signature::{Anchor, Known, Setting, Trust, UnixTime};

/// Is the program there? Says so when it is not, and stops when the oracles are required.
pub fn has(program: &str, argument: &str) -> bool {
    let found =
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        assert!(
            std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref() != Ok("1"),
            "{program} is required and not there"
        );
        println!("SKIPPED: {program} is not installed");
    }
    found
}

/// Root, issuer and a folder for all their files.
pub struct Pki {
    pub dir: tempfile::TempDir,
    pub root: Certificate,
    pub issuer: Certificate,
}

const CONFIG: &str = "
[ca]
default_ca = one
[one]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
crlnumber = crlnumber
certificate = issuer.pem
private_key = issuer.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
copy_extensions = none
unique_subject = no
[any]
commonName = supplied
organizationName = optional
countryName = optional
[req]
distinguished_name = dn
prompt = no
[dn]
CN = x
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuer]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://crl.example/root.crl
[signer]
basicConstraints = CA:false
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = emailProtection
subjectAltName = email:amt@example.de
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://crl.example/issuer.crl
[by_directory]
basicConstraints = CA:false
crlDistributionPoints = points
[points]
fullname = URI:http://crl.example/issuer.crl,dirName:place
[place]
CN = Liste 1
[other_place]
CN = Liste 2
[idp_same]
issuingDistributionPoint = critical,@idp_same_points
[idp_same_points]
fullname = URI:http://crl.example/issuer.crl
[idp_other]
issuingDistributionPoint = critical,@idp_other_points
[idp_other_points]
fullname = URI:http://crl.example/other.crl
[idp_directory]
issuingDistributionPoint = critical,@idp_directory_points
[idp_directory_points]
fullname = dirName:place
[idp_other_directory]
issuingDistributionPoint = critical,@idp_other_directory_points
[idp_other_directory_points]
fullname = dirName:other_place
[idp_relative]
issuingDistributionPoint = critical,@idp_relative_points
[idp_relative_points]
relativename = place
[with_ocsp]
basicConstraints = CA:false
keyUsage = critical,digitalSignature
authorityInfoAccess = OCSP;URI:http://ocsp.example/
[server]
basicConstraints = CA:false
extendedKeyUsage = serverAuth
crlDistributionPoints = URI:http://crl.example/issuer.crl
[recipient]
basicConstraints = CA:false
keyUsage = critical,keyEncipherment,keyAgreement
subjectKeyIdentifier = hash
[tsa]
basicConstraints = CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
crlDistributionPoints = URI:http://crl.example/issuer.crl
[responder]
basicConstraints = CA:false
extendedKeyUsage = OCSPSigning
1.3.6.1.5.5.7.48.1.5 = ASN1:NULL
[unknown_critical]
basicConstraints = CA:false
crlDistributionPoints = URI:http://crl.example/issuer.crl
1.2.3.4.5.6 = critical,ASN1:NULL
[qualified]
basicConstraints = CA:false
keyUsage = critical,nonRepudiation
1.3.6.1.5.5.7.1.3 = DER:30:29:30:08:06:06:04:00:8E:46:01:01:30:08:06:06:04:00:8E:46:01:04:30:13:06:06:04:00:8E:46:01:06:30:09:06:07:04:00:8E:46:01:06:01
[chained]
basicConstraints = CA:false
1.3.6.1.4.1.8301.3.5 = DER:30:0C:06:0A:2B:06:01:04:01:C0:6D:03:05:01
[explicit]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
certificatePolicies = 1.2.3.4,1.2.3.5
policyConstraints = critical,requireExplicitPolicy:0
[with_policy]
basicConstraints = CA:false
certificatePolicies = 1.2.3.5
[other_policy]
basicConstraints = CA:false
certificatePolicies = 1.2.3.6
[excluding]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
nameConstraints = critical,excluded;email:example.de
[constrained]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
nameConstraints = critical,permitted;email:example.org
[tsa_service]
serial = tsaserial
crypto_device = builtin
signer_cert = tsa.pem
certs = chain.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
";

impl Pki {
    /// `None` = no openssl here.
    pub fn new() -> Option<Self> {
        if !has("openssl", "version") {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("ca.cnf", CONFIG),
            ("index.txt", ""),
            ("serial", "1000\n"),
            ("crlnumber", "01\n"),
            ("tsaserial", "01\n"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        for (name, text) in [("rootindex.txt", ""), ("rootcrl", "01\n")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let text = CONFIG
            .replace("index.txt", "rootindex.txt")
            .replace("crlnumber = crlnumber", "crlnumber = rootcrl");
        std::fs::write(dir.path().join("root.cnf"), text).unwrap();
        let dates = "-startdate 20240101000000Z -enddate 20340101000000Z";
        for (name, who) in [("root", "-selfsign"), ("issuer", "-cert root.pem")] {
            run(
                dir.path(),
                &format!(
                    "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}/O=Test"
                ),
            );
            run(
                dir.path(),
                &format!(
                    "ca -batch -notext -config root.cnf {who} -keyfile root.key -in {name}.csr -out {name}.pem \
                     -extfile ca.cnf -extensions {name} {dates}"
                ),
            );
        }
        let read =
            |name: &str| Certificate::all_from(&std::fs::read(dir.path().join(name)).unwrap()).remove(0);
        let (root, issuer) = (read("root.pem"), read("issuer.pem"));
        let chain = [
            std::fs::read(dir.path().join("issuer.pem")).unwrap(),
            std::fs::read(dir.path().join("root.pem")).unwrap(),
        ];
        std::fs::write(dir.path().join("chain.pem"), chain.concat()).unwrap();
        let pki = Self { dir, root, issuer };
        run(pki.path(), "ca -config ca.cnf -gencrl -out issuer.crl.pem");
        run(pki.path(), "crl -in issuer.crl.pem -outform DER -out issuer.crl");
        run(pki.path(), "ca -config root.cnf -cert root.pem -keyfile root.key -gencrl -out root.crl.pem");
        run(pki.path(), "crl -in root.crl.pem -outform DER -out root.crl");
        Some(pki)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }

    pub fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.file(name), octets).unwrap();
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        Certificate::all_from(&self.read(&format!("{name}.pem"))).remove(0)
    }

    /// Runs openssl in the folder; it must succeed.
    pub fn openssl(&self, arguments: &str) -> String {
        run(self.path(), arguments)
    }

    /// Does openssl say yes?
    pub fn openssl_says(&self, arguments: &str) -> bool {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        Command::new("openssl").args(words).current_dir(self.path()).output().unwrap().status.success()
    }

    /// A key (`genpkey` arguments) and a certificate for it: `NAME.key`, `NAME.pem`.
    pub fn issue(&self, name: &str, key: &str, extensions: &str) {
        self.issue_dated(name, key, extensions, "");
    }

    /// As [`Self::issue`], with `-startdate` and the like.
    pub fn issue_dated(&self, name: &str, key: &str, extensions: &str, dates: &str) {
        self.openssl(&format!("genpkey {key} -out {name}.key"));
        self.openssl(&format!("req -new -key {name}.key -out {name}.csr -subj /CN={name}/O=Test"));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.pem -extfile ca.cnf -extensions {extensions} {dates}"
        ));
    }

    /// Half an hour after it was made.
    pub fn now(&self) -> UnixTime {
        let made = std::fs::metadata(self.file("ca.cnf")).unwrap().modified().unwrap();
        made.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 + 1800
    }

    /// Trusts the root and knows the issuer.
    pub fn trust(&self) -> Trust {
        Trust {
            anchors: vec![Anchor::of_operator(self.root.clone(), "Test")],
            intermediates: vec![self.issuer.clone()],
            ..Trust::default()
        }
    }

    /// Both lists as if fetched.
    pub fn lists(&self) -> Vec<Known> {
        let list = |name: &str| Known {
            wanted: poststelle_crypto::signature::Wanted::Crl { url: format!("http://crl.example/{name}") },
            at: self.now(),
            octets: self.read(name),
        };
        vec![list("issuer.crl"), list("root.crl")]
    }

    pub fn revoke(&self, name: &str) {
        self.openssl(&format!("ca -config ca.cnf -revoke {name}.pem"));
        self.openssl("ca -config ca.cnf -gencrl -out issuer.crl.pem");
        self.openssl("crl -in issuer.crl.pem -outform DER -out issuer.crl");
    }
}

pub fn setting<'a>(trust: &'a Trust, known: &'a [Known], now: UnixTime) -> Setting<'a> {
    Setting { trust, received: now, now, known }
}

fn run(dir: &Path, arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let out = Command::new("openssl").args(words).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// RSA with 2048 bits.
pub const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
/// An EC key on P-256.
pub const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve";
