# SPDX-License-Identifier: EUPL-1.2
"""Judges the spans that otlp-receiver.py wrote.

    traces.py SPANS count TRACE NAME           how many spans of this name the trace has
    traces.py SPANS way MESSAGE TENANT         accept, process, deliver of one message across a restart
    traces.py SPANS attempts MESSAGE           two attempts that were put off
    traces.py SPANS request TRACE PARENT MESSAGE   a client's trace goes on, and the message it handed in is linked
    traces.py SPANS sequence                   evidence got its place
    traces.py SPANS clean WORD…                none of the words anywhere
"""

import json
import sys

spans = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
command, arguments = sys.argv[2], sys.argv[3:]


def of(trace, name=None):
    return [s for s in spans if s["trace"] == trace.replace("-", "") and name in (None, s["name"])]


def only(trace, name):
    found = of(trace, name)
    assert len(found) == 1, f"{len(found)} spans '{name}' in {trace}"
    return found[0]


def by_id(link):
    found = [s for s in spans if s["trace"] == link["trace"] and s["span"] == link["span"]]
    assert len(found) == 1, f"a link leads to {len(found)} spans"
    return found[0]


def has(span, **wanted):
    for key, value in wanted.items():
        name = "poststelle." + key.replace("__", ".")
        assert span["attributes"].get(name) == value, f"{span['name']}: {name} is {span['attributes'].get(name)!r}"


def way(message, tenant):
    accept, process, deliver = (only(message, name) for name in ("accept", "process", "deliver"))
    assert accept["parent"] == "", "accept is not the root"
    assert process["parent"] == accept["span"], "process does not hang below accept"
    assert deliver["parent"] == process["span"], "deliver does not hang below process"
    assert accept["end"] <= process["start"] <= process["end"] <= deliver["start"] <= deliver["end"], "times"
    has(accept, message__id=message, tenant__id=tenant, channel="mail", direction="in", outcome="accepted")
    has(process, message__id=message, tenant__id=tenant, outcome="committed", deliveries=1)
    has(deliver, message__id=message, tenant__id=tenant, channel="hot_folder", target__kind="connector")
    has(deliver, outcome="accepted", delivery__state="confirmed", attempt=1)
    assert deliver["kind"] == "SPAN_KIND_CLIENT"
    assert accept["events"] == ["stored"]
    assert all(s["status"] == "STATUS_CODE_UNSET" for s in (accept, process, deliver))
    data = by_id(accept["links"][0])
    assert data["name"] == "smtp data" and data["attributes"]["smtp.reply.code"] == 250
    session = by_id({"trace": data["trace"], "span": data["parent"]})
    assert session["name"] == "smtp session" and session["parent"] == ""
    first, second = accept["resource"], process["resource"]
    assert first["service.name"] == "poststelle" and first["poststelle.node"] == "demo"
    assert first["service.instance.id"] != second["service.instance.id"], "no restart in between"


def attempts(message):
    process = only(message, "process")
    tries = sorted(of(message, "deliver"), key=lambda s: s["start"])
    assert len(tries) >= 2, f"{len(tries)} attempts"
    for n, span in enumerate(tries[:2], 1):
        assert span["parent"] == process["span"]
        has(span, outcome="deferred", channel="mail", target__kind="address", attempt=n)
        assert span["status"] == "STATUS_CODE_ERROR"
        assert span["status_message"] == span["attributes"]["poststelle.code"]
        assert span["status_message"].startswith("PST-MAIL-"), span["status_message"]


def request(trace, parent, message):
    span = only(trace, "POST /api/v1/messages")
    assert span["parent"] == parent and span["kind"] == "SPAN_KIND_SERVER"
    assert span["attributes"]["http.response.status_code"] == 201
    assert span["attributes"]["http.route"] == "/api/v1/messages"
    accept = only(message, "accept")
    has(accept, channel="rest", outcome="accepted")
    assert accept["links"] == [{"trace": trace, "span": span["span"]}], "accept does not link to the request"


def sequence():
    placed = [s for s in spans if s["name"] == "sequence"]
    assert placed, "no evidence got its place"
    assert all(s["attributes"]["poststelle.log.size"] > 0 for s in placed)


def clean(*words):
    text = "\n".join(json.dumps(s, ensure_ascii=False) for s in spans).lower()
    found = [word for word in words if word.lower() in text]
    assert not found, f"found {found}"


if command == "count":
    print(len(of(arguments[0], arguments[1])))
else:
    {"way": way, "attempts": attempts, "request": request, "sequence": sequence, "clean": clean}[command](*arguments)
