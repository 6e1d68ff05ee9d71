// SPDX-License-Identifier: EUPL-1.2

import eu.europa.esig.dss.alert.SilentOnStatusAlert;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.TimeZone;
import java.util.logging.LogManager;

/**
 * Asks EU DSS for its verdicts: {@code Dss FOLDER}. FOLDER holds list.tsv (id, family, state, format, file, detached
 * content), anchors/, crls/ and time (Unix). Prints one JSON line for each signature, or one with NONE where DSS sees
 * none. No network: no AIA, no OCSP, lists only from crls/. Its own policy but for {@link #CHANGED}.
 */
final class Dss {
    /**
     * Signatures without AdES properties are judged too: plain CMS and XML-DSig need not name a time. In return DSS is
     * to refuse what it only warns of by default: wrong usage of keys, names outside constraints, critical extensions
     * nobody understands, changes after the signature that are not accounted for.
     */
    private static final String[][] CHANGED = {
        {"<SigningTime Level=\"FAIL\" />", "<SigningTime Level=\"WARN\" />"},
        {"<MessageDigestOrSignedPropertiesPresent Level=\"FAIL\" />",
            "<MessageDigestOrSignedPropertiesPresent Level=\"WARN\" />"},
        {"<KeyUsage Level=\"WARN\">", "<KeyUsage Level=\"FAIL\"><Id>digitalSignature</Id>"},
        {"<NameConstraints Level=\"WARN\" />", "<NameConstraints Level=\"FAIL\" />"},
        {"<SupportedCriticalExtensions Level=\"WARN\">", "<SupportedCriticalExtensions Level=\"FAIL\">"},
        {"<UndefinedChanges Level=\"WARN\" />", "<UndefinedChanges Level=\"FAIL\" />"},
    };

    public static void main(String[] arguments) throws Exception {
        LogManager.getLogManager().reset();
        Locale.setDefault(Locale.ENGLISH);
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        Path folder = Path.of(arguments[0]);
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        for (File file : files(folder.resolve("anchors"))) {
            anchors.addCertificate(DSSUtils.loadCertificate(file));
        }
        DSSDocument[] lists = files(folder.resolve("crls")).stream().map(FileDocument::new).toArray(DSSDocument[]::new);
        byte[] policy = policy();
        Date at = Date.from(Instant.ofEpochSecond(Long.parseLong(Files.readString(folder.resolve("time")).trim())));

        for (String line : Files.readAllLines(folder.resolve("list.tsv"))) {
            String[] fields = line.split("\t", -1);
            Json head = new Json().put("id", fields[0]);
            try {
                judge(out, fields, folder, anchors, lists, policy, at);
            } catch (RuntimeException refused) {
                out.println(head.put("indication", "NONE").put("errors", refused.toString()));
            }
        }
    }

    private static void judge(PrintStream out, String[] fields, Path folder, CommonTrustedCertificateSource anchors,
            DSSDocument[] lists, byte[] policy, Date at) {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setAIASource(null);
        verifier.setOcspSource(null);
        verifier.setTrustedCertSources(anchors);
        verifier.setCrlSource(new ExternalResourcesCRLSource(lists));
        verifier.setAlertOnInvalidSignature(new SilentOnStatusAlert());
        SignedDocumentValidator validator =
                SignedDocumentValidator.fromDocument(new FileDocument(folder.resolve(fields[4]).toFile()));
        validator.setCertificateVerifier(verifier);
        validator.setValidationTime(at);
        if (!fields[5].isEmpty()) {
            validator.setDetachedContents(List.of(new FileDocument(folder.resolve(fields[5]).toFile())));
        }
        SimpleReport report = validator.validateDocument(new ByteArrayInputStream(policy)).getSimpleReport();
        int number = 0;
        for (String id : report.getSignatureIdList()) {
            StringBuilder errors = new StringBuilder();
            for (Message message : report.getAdESValidationErrors(id)) {
                errors.append(errors.length() > 0 ? " | " : "").append(message.getValue());
            }
            out.println(new Json().put("id", fields[0]).put("number", ++number)
                    .put("indication", report.getIndication(id)).put("sub", report.getSubIndication(id))
                    .put("by", report.getSignedBy(id)).put("format", report.getSignatureFormat(id))
                    .put("errors", errors));
        }
        if (number == 0) {
            out.println(new Json().put("id", fields[0]).put("indication", "NONE"));
        }
    }

    private static byte[] policy() throws IOException {
        try (InputStream own = Dss.class.getResourceAsStream("/policy/constraint.xml")) {
            String text = new String(own.readAllBytes(), StandardCharsets.UTF_8);
            for (String[] change : CHANGED) {
                if (!text.contains(change[0])) {
                    throw new IOException("the policy of this DSS does not say " + change[0]);
                }
                text = text.replace(change[0], change[1]);
            }
            return text.getBytes(StandardCharsets.UTF_8);
        }
    }

    private static List<File> files(Path folder) {
        File[] files = folder.toFile().listFiles();
        Arrays.sort(files);
        return List.of(files);
    }
}
