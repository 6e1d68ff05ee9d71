// SPDX-License-Identifier: EUPL-1.2

import eu.europa.esig.dss.alert.SilentOnStatusAlert;
import eu.europa.esig.dss.asic.cades.ASiCWithCAdESSignatureParameters;
import eu.europa.esig.dss.asic.cades.signature.ASiCWithCAdESService;
import eu.europa.esig.dss.asic.xades.ASiCWithXAdESSignatureParameters;
import eu.europa.esig.dss.asic.xades.signature.ASiCWithXAdESService;
import eu.europa.esig.dss.cades.CAdESSignatureParameters;
import eu.europa.esig.dss.cades.signature.CAdESService;
import eu.europa.esig.dss.enumerations.ASiCContainerType;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.InMemoryDocument;
import eu.europa.esig.dss.model.SerializableSignatureParameters;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.signature.AbstractSignatureParameters;
import eu.europa.esig.dss.signature.DocumentSignatureService;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.logging.LogManager;
import org.apache.pdfbox.pdfwriter.compress.CompressParameters;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.PDPage;
import org.apache.pdfbox.pdmodel.PDPageContentStream;
import org.apache.pdfbox.pdmodel.font.PDType1Font;
import org.apache.pdfbox.pdmodel.font.Standard14Fonts;

/**
 * Makes certificates and, with EU DSS, one signature of each family by each signer: {@code Make FOLDER UNIX-TIME}.
 * Appends to FOLDER/list.tsv: id, family, state, format, file, detached content.
 */
final class Make {
    static final String TEXT = "Sehr geehrte Damen und Herren, der Betrag ist 100 Euro.\r\n";
    private static final DigestAlgorithm DIGEST = DigestAlgorithm.SHA256;
    private final Path folder;
    private final Date claimed;
    private final CommonCertificateVerifier verifier = new CommonCertificateVerifier();

    public static void main(String[] arguments) throws Exception {
        LogManager.getLogManager().reset();
        Path folder = Path.of(arguments[0]);
        Instant at = Instant.ofEpochSecond(Long.parseLong(arguments[1]));
        Make make = new Make(folder, Date.from(at.minus(1, ChronoUnit.HOURS)));
        Pki pki = new Pki(folder, at);
        for (Pki.Actor actor : pki.signers.values()) {
            make.all(actor);
        }
    }

    private Make(Path folder, Date claimed) throws Exception {
        this.folder = folder;
        this.claimed = claimed;
        // Bad certificates shall sign too.
        verifier.setAIASource(null);
        verifier.setAlertOnExpiredCertificate(new SilentOnStatusAlert());
        verifier.setAlertOnNotYetValidCertificate(new SilentOnStatusAlert());
        verifier.setAlertOnRevokedCertificate(new SilentOnStatusAlert());
        verifier.setAlertOnMissingRevocationData(new SilentOnStatusAlert());
        verifier.setAlertOnInvalidSignature(new SilentOnStatusAlert());
        Files.createDirectories(folder.resolve("base"));
        Files.write(folder.resolve("base/inhalt.txt"), TEXT.getBytes(StandardCharsets.UTF_8));
        Files.writeString(folder.resolve("base/inhalt.xml"),
                "<antrag xmlns=\"urn:pruefung\"><betrag>100</betrag><an>Poststelle</an></antrag>");
        try (PDDocument pdf = new PDDocument(); ByteArrayOutputStream octets = new ByteArrayOutputStream()) {
            PDPage page = new PDPage();
            pdf.addPage(page);
            try (PDPageContentStream content =
                    new PDPageContentStream(pdf, page, PDPageContentStream.AppendMode.OVERWRITE, false)) {
                content.beginText();
                content.setFont(new PDType1Font(Standard14Fonts.FontName.HELVETICA), 12);
                content.newLineAtOffset(70, 700);
                content.showText("Der Betrag ist 100 Euro.");
                content.endText();
            }
            pdf.save(octets, CompressParameters.NO_COMPRESSION);
            Files.write(folder.resolve("base/inhalt.pdf"), octets.toByteArray());
        }
    }

    private DSSDocument base(String name) throws Exception {
        return new InMemoryDocument(Files.readAllBytes(folder.resolve("base/" + name)), name);
    }

    private void all(Pki.Actor actor) throws Exception {
        for (SignaturePackaging packaging : new SignaturePackaging[] {SignaturePackaging.ENVELOPING, SignaturePackaging.DETACHED}) {
            CAdESSignatureParameters cades = filled(new CAdESSignatureParameters(), actor);
            cades.setSignatureLevel(SignatureLevel.CAdES_BASELINE_B);
            cades.setSignaturePackaging(packaging);
            boolean detached = packaging == SignaturePackaging.DETACHED;
            put("cades-" + (detached ? "detached" : "attached"), "cms", ".p7s", actor,
                    signed(new CAdESService(verifier), base("inhalt.txt"), cades, actor),
                    detached ? "inhalt.txt" : null);
        }
        for (SignaturePackaging packaging : new SignaturePackaging[] {
                SignaturePackaging.ENVELOPED, SignaturePackaging.ENVELOPING, SignaturePackaging.DETACHED}) {
            XAdESSignatureParameters xades = filled(new XAdESSignatureParameters(), actor);
            xades.setSignatureLevel(SignatureLevel.XAdES_BASELINE_B);
            xades.setSignaturePackaging(packaging);
            boolean detached = packaging == SignaturePackaging.DETACHED;
            put("xades-" + packaging.name().toLowerCase(), "xml", ".xml", actor,
                    signed(new XAdESService(verifier), base(detached ? "inhalt.txt" : "inhalt.xml"), xades, actor),
                    detached ? "inhalt.txt" : null);
        }
        PAdESSignatureParameters pades = filled(new PAdESSignatureParameters(), actor);
        pades.setSignatureLevel(SignatureLevel.PAdES_BASELINE_B);
        put("pades", "pdf", ".pdf", actor, signed(new PAdESService(verifier), base("inhalt.pdf"), pades, actor), null);
        for (ASiCContainerType type : ASiCContainerType.values()) {
            ASiCWithCAdESSignatureParameters cades = filled(new ASiCWithCAdESSignatureParameters(), actor);
            cades.setSignatureLevel(SignatureLevel.CAdES_BASELINE_B);
            cades.aSiC().setContainerType(type);
            String ending = type == ASiCContainerType.ASiC_S ? ".asics" : ".asice";
            put(ending.substring(1) + "-cades", "asic", ending, actor,
                    signed(new ASiCWithCAdESService(verifier), base("inhalt.txt"), cades, actor), null);
        }
        ASiCWithXAdESSignatureParameters xades = filled(new ASiCWithXAdESSignatureParameters(), actor);
        xades.setSignatureLevel(SignatureLevel.XAdES_BASELINE_B);
        xades.aSiC().setContainerType(ASiCContainerType.ASiC_E);
        put("asice-xades", "asic", ".asice", actor,
                signed(new ASiCWithXAdESService(verifier), base("inhalt.txt"), xades, actor), null);
    }

    private <T extends AbstractSignatureParameters<?>> T filled(T parameters, Pki.Actor actor) {
        parameters.setSigningCertificate(new CertificateToken(actor.certificate));
        List<CertificateToken> chain = new ArrayList<>();
        chain.add(new CertificateToken(actor.certificate));
        for (X509Certificate one : actor.companions) {
            chain.add(new CertificateToken(one));
        }
        parameters.setCertificateChain(chain);
        parameters.setDigestAlgorithm(DIGEST);
        parameters.bLevel().setSigningDate(claimed);
        return parameters;
    }

    private static <P extends SerializableSignatureParameters> DSSDocument signed(
            DocumentSignatureService<P, ?> service, DSSDocument document, P parameters, Pki.Actor actor)
            throws Exception {
        ToBeSigned octets = service.getDataToSign(document, parameters);
        Signature signature = Signature.getInstance(actor.elliptic() ? "SHA256withECDSA" : "SHA256withRSA");
        signature.initSign(actor.keys.getPrivate());
        signature.update(octets.getBytes());
        return service.signDocument(document, parameters, new SignatureValue(
                eu.europa.esig.dss.enumerations.SignatureAlgorithm.getAlgorithm(
                        eu.europa.esig.dss.enumerations.EncryptionAlgorithm.forKey(actor.keys.getPublic()), DIGEST),
                signature.sign()));
    }

    private void put(String family, String format, String ending, Pki.Actor actor, DSSDocument document,
            String content) throws Exception {
        String id = family + "." + actor.name;
        Path place = Files.createDirectories(folder.resolve("cases/" + id));
        document.save(place.resolve("signatur" + ending).toString());
        String beside = "";
        if (content != null) {
            Files.copy(folder.resolve("base/" + content), place.resolve(content));
            beside = "cases/" + id + "/" + content;
        }
        Files.writeString(folder.resolve("list.tsv"),
                String.join("\t", id, family, actor.name, format, "cases/" + id + "/signatur" + ending, beside) + "\n",
                StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
