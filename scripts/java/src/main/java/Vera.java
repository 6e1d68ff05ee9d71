// SPDX-License-Identifier: EUPL-1.2

import java.io.FileInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import java.util.logging.LogManager;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** Asks veraPDF whether PDF files keep PDF/A-3b and PDF/UA-1. One JSON line for each file and standard. */
final class Vera {
    public static void main(String[] files) throws Exception {
        LogManager.getLogManager().reset();
        VeraGreenfieldFoundryProvider.initialise();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String file : files) {
            for (PDFAFlavour flavour : new PDFAFlavour[] {PDFAFlavour.PDFA_3_B, PDFAFlavour.PDFUA_1}) {
                try (PDFAParser parser = Foundries.defaultInstance().createParser(new FileInputStream(file), flavour)) {
                    PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false);
                    ValidationResult result = validator.validate(parser);
                    TreeMap<String, Integer> failed = new TreeMap<>();
                    for (TestAssertion one : result.getTestAssertions()) {
                        if (one.getStatus() == TestAssertion.Status.FAILED) {
                            failed.merge(one.getRuleId().getClause() + "/" + one.getRuleId().getTestNumber()
                                    + " " + one.getMessage(), 1, Integer::sum);
                        }
                    }
                    Json line = new Json().put("file", file).put("standard", flavour.toString())
                            .put("compliant", result.isCompliant()).put("assertions", result.getTotalAssertions());
                    out.println(line.put("failed", failed.toString()));
                }
            }
        }
    }
}
