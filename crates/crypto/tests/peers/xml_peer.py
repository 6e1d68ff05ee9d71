# SPDX-License-Identifier: EUPL-1.2
"""libxmlsec as a foreign signer and verifier: sign TEMPLATE KEY CERT OUT | verify FILE CERT [URI=FILE …]."""

import sys

import xmlsec
from lxml import etree


def ids(root):
    for name in ("Id", "ID", "id"):
        for node in root.iter():
            if isinstance(node.tag, str) and node.get(name) is not None:
                xmlsec.tree.add_ids(node, [name])


def main():
    mode, path = sys.argv[1:3]
    root = etree.parse(path, etree.XMLParser(resolve_entities=False)).getroot()
    ids(root)
    node = root if etree.QName(root).localname == "Signature" else xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE)
    context = xmlsec.SignatureContext()
    if mode == "sign":
        key, cert, out = sys.argv[3:6]
        context.key = xmlsec.Key.from_file(key, xmlsec.KeyFormat.PEM)
        context.key.load_cert_from_file(cert, xmlsec.KeyFormat.PEM)
        context.sign(node)
        root.getroottree().write(out, encoding="UTF-8", xml_declaration=False)
    else:
        context.key = xmlsec.Key.from_file(sys.argv[3], xmlsec.KeyFormat.CERT_PEM)
        context.verify(node)
        print("OK")


main()
