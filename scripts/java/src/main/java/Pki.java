// SPDX-License-Identifier: EUPL-1.2

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.ASN1GeneralizedTime;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLDistPoint;
import org.bouncycastle.asn1.x509.CRLNumber;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.DistributionPoint;
import org.bouncycastle.asn1.x509.DistributionPointName;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.GeneralSubtree;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.NameConstraints;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * Certificates, good and bad, and their revocation lists. All times lie around one moment: {@link #at}, when the judges
 * look. Keys and serial numbers are new on every run; everything else is the same.
 */
final class Pki {
    /** Who can sign, and what goes into the signature with its certificate. */
    static final class Actor {
        final String name;
        final KeyPair keys;
        final X509Certificate certificate;
        final Actor issuer;
        /** Issuers that travel with a signature; never the anchor. */
        List<X509Certificate> companions = new ArrayList<>();

        Actor(String name, KeyPair keys, X509Certificate certificate, Actor issuer) {
            this.name = name;
            this.keys = keys;
            this.certificate = certificate;
            this.issuer = issuer;
        }

        boolean elliptic() {
            return keys.getPublic().getAlgorithm().startsWith("EC");
        }
    }

    /** What is special about a certificate. */
    static final class Wish {
        Duration from = Duration.ofDays(-400);
        Duration to = Duration.ofDays(400);
        String key = "secp256r1";
        Integer usage = KeyUsage.digitalSignature | KeyUsage.nonRepudiation;
        KeyPurposeId purpose;
        /** -1: not a certification authority. */
        int path = -1;
        boolean strange;
        /** Its issuers do not travel with it. */
        boolean alone;
        String permitted;
        String digest = "SHA256";

        Wish authority(int length) {
            path = length;
            usage = KeyUsage.keyCertSign | KeyUsage.cRLSign;
            from = Duration.ofDays(-2000);
            to = Duration.ofDays(2000);
            return this;
        }

        Wish valid(int fromDays, int toDays) {
            from = Duration.ofDays(fromDays);
            to = Duration.ofDays(toDays);
            return this;
        }

        Wish key(String kind) {
            key = kind;
            return this;
        }

        Wish usage(Integer bits) {
            usage = bits;
            return this;
        }

        Wish purpose(KeyPurposeId id) {
            purpose = id;
            return this;
        }

        Wish alone() {
            alone = true;
            return this;
        }

        Wish strange() {
            strange = true;
            return this;
        }

        Wish permitted(String name) {
            permitted = name;
            return this;
        }

        Wish digest(String name) {
            digest = name;
            return this;
        }
    }

    final Instant at;
    final Map<String, Actor> signers = new LinkedHashMap<>();
    private final Path folder;
    private long serial = 4711;

    Pki(Path folder, Instant at) throws Exception {
        this.folder = folder;
        this.at = at;
        for (String name : new String[] {"anchors", "crls", "keys"}) {
            Files.createDirectories(folder.resolve(name));
        }
        Actor root = made("wurzel", null, new Wish().authority(3));
        write(folder.resolve("anchors/wurzel.pem"), "CERTIFICATE", root.certificate.getEncoded());
        Actor good = made("stelle", root, new Wish().authority(0));
        Actor revokedIssuer = made("gesperrte-stelle", root, new Wish().authority(0));
        Actor oldIssuer = made("alte-stelle", root, new Wish().authority(0).valid(-2000, -100));
        Actor silent = made("stille-stelle", root, new Wish().authority(0));
        Actor narrow = made("enge-stelle", root, new Wish().authority(0).permitted("C=DE,O=Anderswo"));
        Actor below = made("unterstelle", good, new Wish().authority(0));
        Actor noSigning = made("stelle-ohne-recht", root, new Wish().authority(0).usage(KeyUsage.digitalSignature));
        Actor strangeRoot = made("fremde-wurzel", null, new Wish().authority(3));
        Actor strange = made("fremde-stelle", strangeRoot, new Wish().authority(0));
        Actor stale = made("saeumige-stelle", root, new Wish().authority(0));

        signer("gut", good, new Wish().key("RSA 3072"));
        signer("gut-ec", good, new Wish().key("secp256r1"));
        signer("gut-ec384", good, new Wish().key("secp384r1"));
        signer("abgelaufen", good, new Wish().key("RSA 2048").valid(-700, -30));
        signer("noch-nicht-gueltig", good, new Wish().valid(60, 700));
        signer("gesperrt", good, new Wish().key("RSA 2048"));
        signer("gesperrt-heute", good, new Wish());
        signer("falsche-verwendung", good, new Wish().usage(KeyUsage.keyEncipherment));
        signer("nur-zertifikate", good, new Wish().usage(KeyUsage.keyCertSign));
        signer("falscher-zweck", good, new Wish().purpose(KeyPurposeId.id_kp_serverAuth));
        signer("unbekannte-erweiterung", good, new Wish().strange());
        signer("kurzer-schluessel", good, new Wish().key("RSA 1024"));
        signer("sha1-zertifikat", good, new Wish().digest("SHA1"));
        signer("fremder-aussteller", strange, new Wish());
        signer("gesperrter-aussteller", revokedIssuer, new Wish());
        signer("abgelaufener-aussteller", oldIssuer, new Wish());
        signer("ohne-sperrliste", silent, new Wish());
        signer("alte-sperrliste", stale, new Wish());
        signer("ausserhalb-der-namen", narrow, new Wish());
        signer("zu-langer-pfad", below, new Wish());
        signer("aussteller-ohne-recht", noSigning, new Wish());
        signer("aussteller-keine-stelle", signers.get("gut"), new Wish());
        signer("selbst-ausgestellt", null, new Wish());
        signer("luecke", good, new Wish().alone());

        Duration month = Duration.ofDays(30);
        list(root, month, Map.of(revokedIssuer, -200));
        list(good, month, Map.of(signers.get("gesperrt"), -90, signers.get("gesperrt-heute"), 0));
        list(stale, Duration.ofDays(-60), Map.of());
        for (Actor issuer : List.of(revokedIssuer, narrow, below, noSigning, strangeRoot, strange)) {
            list(issuer, month, Map.of());
        }
        // A gap in the chain: an issuer nobody shows.
        Actor hidden = made("verborgene-stelle", root, new Wish().authority(0));
        list(hidden, month, Map.of());
        signer("kette-unterbrochen", hidden, new Wish().alone());
    }

    private Actor signer(String name, Actor issuer, Wish wish) throws Exception {
        Actor actor = made(name, issuer, wish);
        for (Actor one = actor.issuer; !wish.alone && one != null && one.issuer != null; one = one.issuer) {
            actor.companions.add(one.certificate);
        }
        signers.put(name, actor);
        write(folder.resolve("keys/" + name + ".key"), "PRIVATE KEY", actor.keys.getPrivate().getEncoded());
        write(folder.resolve("keys/" + name + ".pem"), "CERTIFICATE", actor.certificate.getEncoded());
        StringBuilder chain = new StringBuilder();
        for (X509Certificate one : actor.companions) {
            chain.append(pem("CERTIFICATE", one.getEncoded()));
        }
        Files.writeString(folder.resolve("keys/" + name + ".chain"), chain);
        return actor;
    }

    private KeyPair keys(String kind) throws Exception {
        if (kind.startsWith("RSA ")) {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(Integer.parseInt(kind.substring(4)));
            return generator.generateKeyPair();
        }
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec(kind));
        return generator.generateKeyPair();
    }

    private static String algorithm(KeyPair keys, String digest) {
        return digest + (keys.getPublic().getAlgorithm().equals("RSA") ? "withRSA" : "withECDSA");
    }

    private Actor made(String name, Actor issuer, Wish wish) throws Exception {
        // Authorities are on P-384: quick to make, and chains of mixed kinds are what is out there.
        KeyPair keys = keys(wish.path >= 0 ? "secp384r1" : wish.key);
        KeyPair signing = issuer == null ? keys : issuer.keys;
        X500Name subject = new X500Name("C=DE,O=Poststelle Pruefung,CN=" + name);
        X500Name by = issuer == null ? subject : new JcaX509CertificateHolder(issuer.certificate).getSubject();
        JcaX509ExtensionUtils identifiers = new JcaX509ExtensionUtils();
        JcaX509v3CertificateBuilder builder = new JcaX509v3CertificateBuilder(by, BigInteger.valueOf(++serial),
                Date.from(at.plus(wish.from)), Date.from(at.plus(wish.to)), subject, keys.getPublic());
        builder.addExtension(Extension.subjectKeyIdentifier, false,
                identifiers.createSubjectKeyIdentifier(keys.getPublic()));
        builder.addExtension(Extension.authorityKeyIdentifier, false,
                identifiers.createAuthorityKeyIdentifier(signing.getPublic()));
        builder.addExtension(Extension.basicConstraints, true,
                wish.path >= 0 ? new BasicConstraints(wish.path) : new BasicConstraints(false));
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(wish.usage));
        if (issuer != null) {
            GeneralName place = new GeneralName(GeneralName.uniformResourceIdentifier,
                    "http://pruefung.invalid/" + issuer.name + ".crl");
            builder.addExtension(Extension.cRLDistributionPoints, false, new CRLDistPoint(new DistributionPoint[] {
                new DistributionPoint(new DistributionPointName(new GeneralNames(place)), null, null)}));
        }
        if (wish.purpose != null) {
            builder.addExtension(Extension.extendedKeyUsage, true, new ExtendedKeyUsage(wish.purpose));
        }
        if (wish.strange) {
            builder.addExtension(new ASN1ObjectIdentifier("2.999.42"), true, DERNull.INSTANCE);
        }
        if (wish.permitted != null) {
            GeneralSubtree only = new GeneralSubtree(new GeneralName(new X500Name(wish.permitted)));
            builder.addExtension(Extension.nameConstraints, true,
                    new NameConstraints(new GeneralSubtree[] {only}, null));
        }
        X509Certificate certificate = new JcaX509CertificateConverter().getCertificate(builder.build(
                new JcaContentSignerBuilder(algorithm(signing, wish.digest)).build(signing.getPrivate())));
        return new Actor(name, keys, certificate, issuer);
    }

    /** The list of {@code issuer}; it was made ten days before it ends, or a day ago. */
    private void list(Actor issuer, Duration ends, Map<Actor, Integer> revoked) throws Exception {
        Instant next = at.plus(ends);
        Instant made = ends.isNegative() ? next.minus(Duration.ofDays(10)) : at.minus(Duration.ofMinutes(30));
        X509v2CRLBuilder builder = new X509v2CRLBuilder(new JcaX509CertificateHolder(issuer.certificate).getSubject(),
                Date.from(made));
        builder.setNextUpdate(Date.from(next));
        for (Map.Entry<Actor, Integer> one : revoked.entrySet()) {
            Instant since = one.getValue() == 0 ? at.minus(Duration.ofMinutes(40)) : at.plus(Duration.ofDays(one.getValue()));
            builder.addCRLEntry(one.getKey().certificate.getSerialNumber(), Date.from(since),
                    CRLReason.keyCompromise);
        }
        builder.addExtension(Extension.cRLNumber, false, new CRLNumber(BigInteger.ONE));
        builder.addExtension(Extension.authorityKeyIdentifier, false,
                new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(issuer.keys.getPublic()));
        // Says that it goes on naming certificates after their end (X.509, expiredCertsOnCRL).
        builder.addExtension(new ASN1ObjectIdentifier("2.5.29.60"), false,
                new ASN1GeneralizedTime(Date.from(at.minus(Duration.ofDays(3000)))));
        Files.write(folder.resolve("crls/" + issuer.name + ".crl"), builder.build(
                new JcaContentSignerBuilder(algorithm(issuer.keys, "SHA256")).build(issuer.keys.getPrivate())).getEncoded());
    }

    static String pem(String what, byte[] octets) {
        return "-----BEGIN " + what + "-----\n" + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(octets)
                + "\n-----END " + what + "-----\n";
    }

    private static void write(Path file, String what, byte[] octets) throws IOException {
        Files.writeString(file, pem(what, octets));
    }
}
