# SPDX-License-Identifier: EUPL-1.2
"""pyHanko as a foreign signer and verifier.

sign IN OUT KEY CERT ROOT FIELD LEVEL [docmdp=N] | verify FILE ROOT | stamp IN OUT ROOT TSAKEY TSACERT
LEVEL: B, T, LTA, legacy (adbe.pkcs7.detached). Time-stamps come from tsa-key.pem and tsa.pem beside KEY.
"""

import datetime
import os
import sys

from asn1crypto import keys, pem, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers, timestamps
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext


def load(path, kind):
    data = open(path, "rb").read()
    return kind.load(pem.unarmor(data)[2] if pem.detect(data) else data)


def stamper(folder, root):
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    store = SimpleCertificateStore()
    store.register(root)
    return timestamps.DummyTimeStamper(
        tsa_cert=load(os.path.join(folder, "tsa.pem"), x509.Certificate),
        tsa_key=load(os.path.join(folder, "tsa-key.pem"), keys.PrivateKeyInfo),
        certs_to_embed=store,
    )


def context(root):
    return ValidationContext(trust_roots=[root], allow_fetching=False, revocation_mode="soft-fail")


def main():
    mode = sys.argv[1]
    if mode == "sign":
        source, target, key, cert, root, field, level = sys.argv[2:9]
        options = dict(a.split("=") for a in sys.argv[9:])
        root = load(root, x509.Certificate)
        signer = signers.SimpleSigner.load(key, cert, other_certs=[root])
        legacy = level == "legacy"
        docmdp = options.get("docmdp")
        meta = signers.PdfSignatureMetadata(
            field_name=field,
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED if legacy else fields.SigSeedSubFilter.PADES,
            certify=docmdp is not None,
            docmdp_permissions=fields.MDPPerm(int(docmdp or 2)),
            use_pades_lta=level == "LTA",
            embed_validation_info=level == "LTA",
            validation_context=context(root) if level == "LTA" else None,
        )
        box = options.get("box")
        spec = box and fields.SigFieldSpec(sig_field_name=field, box=tuple(map(int, box.split(","))))
        tsa = stamper(os.path.dirname(key), root) if level in ("T", "LTA") else None
        with open(source, "rb") as file:
            out = signers.sign_pdf(
                IncrementalPdfFileWriter(file), meta, signer=signer, timestamper=tsa, new_field_spec=spec
            )
        open(target, "wb").write(out.getvalue())
    else:
        file, root = sys.argv[2:4]
        with open(file, "rb") as stream:
            for signature in PdfFileReader(stream).embedded_signatures:
                status = validate_pdf_signature(signature, context(load(root, x509.Certificate)))
                print(status.intact, status.valid, status.trusted, status.coverage.name, status.bottom_line)


main()
