# SPDX-License-Identifier: EUPL-1.2
"""A collector for traces, built on OpenTelemetry's own Python definitions of OTLP.

    otlp-receiver.py serve PORTFILE SPANS      takes POST /v1/traces on a free port of loopback, writes the port to
                                               PORTFILE and one JSON object per span to SPANS
    otlp-receiver.py silent PORTFILE           takes connections and never answers
"""

import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tell(path, port):
    with open(path + ".neu", "w", encoding="ascii") as file:
        file.write(str(port))
    os.rename(path + ".neu", path)


def silent(portfile):
    door = socket.create_server(("127.0.0.1", 0))
    tell(portfile, door.getsockname()[1])
    held = []
    while True:
        held.append(door.accept())


def serve(portfile, target):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
    )
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    spans = open(target, "a", encoding="utf-8")

    def values(attributes):
        return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}

    def plain(resource, scope, span):
        return {
            "resource": values(resource.attributes),
            "scope": scope.name,
            "trace": span.trace_id.hex(),
            "span": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "name": span.name,
            "kind": Span.SpanKind.Name(span.kind),
            "start": span.start_time_unix_nano,
            "end": span.end_time_unix_nano,
            "attributes": values(span.attributes),
            "events": [event.name for event in span.events],
            "event_attributes": [values(event.attributes) for event in span.events],
            "links": [{"trace": link.trace_id.hex(), "span": link.span_id.hex()} for link in span.links],
            "status": Status.StatusCode.Name(span.status.code),
            "status_message": span.status.message,
        }

    class Collector(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.headers["Content-Type"]
            if self.path != "/v1/traces" or kind != "application/x-protobuf":
                self.send_error(400, f"{self.path} {kind}")
                return
            request = ExportTraceServiceRequest.FromString(body)
            for of_resource in request.resource_spans:
                for of_scope in of_resource.scope_spans:
                    for span in of_scope.spans:
                        spans.write(json.dumps(plain(of_resource.resource, of_scope.scope, span)) + "\n")
            spans.flush()
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    tell(portfile, server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    {"serve": serve, "silent": silent}[sys.argv[1]](*sys.argv[2:])
