# SPDX-License-Identifier: EUPL-1.2
"""Mail for the house while something is broken, and the reckoning afterwards.

  traffic.py send SHEET SMTP WEB LEDGER   mails to a desk and to a hot folder, posts to the REST intake, until TERM;
                                          with two servers, A,B: the desk's mail to A, the rest to B
  traffic.py told LEDGER SINCE            what was answered since then: {"smtp": {"250": 3, …}, "rest": {"201": 2, …}}
  traffic.py judge SHEET LEDGER BIN CONFIG [MAY]
                                          waits until nothing is in work; then everything acknowledged must be there once,
                                          nothing refused may be there (but MAY that were refused when the answer to the
                                          commit was lost), balance and proofs must fit
  traffic.py sink DIR                     a mail server that keeps what it gets in DIR; prints its address

SHEET is the demo's sheet. The ledger has one JSON line per attempt: number, way, place, answer, time.
"""
import collections, http.client, json, os, signal, smtplib, socketserver, subprocess, sys, threading, time

PAUSE, PAUSE_REFUSED = 0.03, 0.15
LINE = "Es folgt eine Zeile der Anlage, die auf dem Weg nicht verloren gehen darf.\r\n"


def octets(number, place, to):
    """A mail of 2 to 40 KB; its number is in the subject."""
    text = LINE * (20 + number * 7919 % 500)
    return (f"From: absender@buerger.example\r\nTo: {to}\r\nSubject: Probe-{number:06d}-{place}\r\n"
            f"Message-ID: <{number}.{os.getpid()}@buerger.example>\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
            f"Guten Tag\r\n--x\r\nContent-Type: text/plain; name=anlage.txt\r\n\r\n{text}--x--\r\n").encode()


class Ledger:
    def __init__(self, path):
        self.lock, self.file = threading.Lock(), open(path, "a", buffering=1, encoding="utf-8")
        self.number = max((row["n"] for row in rows(path)), default=0)

    def next(self):
        with self.lock:
            self.number += 1
            return self.number

    def note(self, number, way, place, code, text):
        row = {"n": number, "way": way, "place": place, "code": code, "text": text, "at": time.time()}
        with self.lock:
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")


def smtp(ledger, stop, server, place, to):
    host, port = server.rsplit(":", 1)
    open_ = None
    while not stop.is_set():
        number = ledger.next()
        try:
            if open_ is None:
                open_ = smtplib.SMTP(host, int(port), timeout=60)
                open_.ehlo("buerger.example")
            open_.rset()
            for said in (lambda: open_.mail("absender@buerger.example"), lambda: open_.rcpt(to),
                         lambda: open_.data(octets(number, place, to))):
                code, text = said()
                if code >= 400:
                    break
            text = text.decode("utf-8", "replace")
        except smtplib.SMTPResponseException as e:
            code, text = e.smtp_code, str(e.smtp_error)
        except (OSError, smtplib.SMTPException) as e:
            code, text = 0, repr(e)
        if code in (0, 421):
            open_ = None
        ledger.note(number, "smtp", place, code, text)
        stop.wait(PAUSE if code == 250 else PAUSE_REFUSED)


def rest(ledger, stop, server, token):
    host = server.split("://", 1)[1]
    while not stop.is_set():
        number = ledger.next()
        try:
            there = http.client.HTTPConnection(host, timeout=60)
            there.request("POST", "/api/v1/messages", octets(number, "rest", "stadt@example"), {
                "Authorization": f"Bearer {token}", "Content-Type": "message/rfc822",
                "Idempotency-Key": f"{os.getpid()}-{number}"})
            answer = there.getresponse()
            code, body = answer.status, json.loads(answer.read())
            problem = answer.headers["Content-Type"] == "application/problem+json"
            text = f"{body['code']} {answer.headers['Retry-After']}" if problem else ""
            there.close()
        except (OSError, http.client.HTTPException, ValueError) as e:
            code, text = 0, repr(e)
        ledger.note(number, "rest", "rest", code, text)
        stop.wait(PAUSE if code == 201 else PAUSE_REFUSED)


def send(sheet, server, web, path):
    ledger, stop = Ledger(path), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    desk = "poststelle@" + sheet["recipient"].split("@")[1]
    servers, webs = server.split(","), web.split(",")
    tasks = [threading.Thread(target=smtp, args=(ledger, stop, servers[0], "korb", desk)),
             threading.Thread(target=smtp, args=(ledger, stop, servers[-1], "ordner", sheet["recipient"])),
             threading.Thread(target=rest, args=(ledger, stop, webs[-1], sheet["api"]["token"]))]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def told(path, since):
    counts = {"smtp": collections.Counter(), "rest": collections.Counter()}
    for row in rows(path):
        if row["at"] >= float(since):
            name = row["text"].split(" ")[0] if row["way"] == "rest" and row["code"] >= 400 else ""
            counts[row["way"]][f"{row['code']} {name}".strip()] += 1
    print(json.dumps(counts))


def judge(sheet, path, binary, config, may):
    def ask(*words):
        done = subprocess.run([binary, *words, "--config", config, "--json"], capture_output=True, text=True, timeout=120)
        return done.returncode, json.loads(done.stdout or "null"), done.stderr

    end = time.monotonic() + 60
    while True:
        _, balance, _ = ask("balance")
        if sum(line["open"] for line in balance["lines"]) == 0 or time.monotonic() > end:
            break
        time.sleep(0.2)
    there = collections.Counter()
    for slug in (sheet["recipient"].split("@")[1].removesuffix(".example"), "rostock"):
        for line in ask("message", "list", slug, "--limit", "1000000")[1]:
            if line["subject"].startswith("Probe-"):
                there[int(line["subject"].split("-")[1])] += 1
    handed = collections.Counter()
    for name in os.listdir(sheet["hotfolder"]):
        if not name.startswith("."):
            with open(os.path.join(sheet["hotfolder"], name, "message.json"), encoding="utf-8") as file:
                subject = json.load(file)["subject"]
            if subject.startswith("Probe-"):
                handed[int(subject.split("-")[1])] += 1
    all_ = rows(path)
    kept = {row["n"] for row in all_ if row["code"] in (200, 201, 250)}
    later = {row["n"] for row in all_ if 400 <= row["code"] < 500 and row["way"] == "smtp" or row["code"] == 503}
    silent = {row["n"] for row in all_ if row["code"] == 0}
    folder = {row["n"] for row in all_ if row["place"] == "ordner"} & set(there)
    problems = {
        "refused for good": sum(row["n"] not in kept | later | silent for row in all_),
        "acknowledged but absent": len(kept - set(there)),
        "accepted twice": sum(n > 1 for n in there.values()),
        "refused but kept": max(0, len(later & set(there)) - int(may)),
        "missing in the hot folder": len(folder - set(handed)),
        "twice in the hot folder": sum(n > 1 for n in handed.values()),
        "foreign in the hot folder": len(set(handed) - folder),
        "still in work": sum(line["open"] for line in balance["lines"]),
        "gone wrong": sum(line["failed"] + line["parked"] for line in balance["lines"]),
        "balance": len(balance["mismatches"]) + (ask("balance")[0] != 0),
        "proofs": int(ask("verify")[0] != 0),
    }
    wrong = {name: n for name, n in problems.items() if n}
    print(json.dumps({"attempts": len(all_), "acknowledged": len(kept), "refused_for_now": len(later), "unanswered": len(silent),
                      "refused_but_kept": len(later & set(there)), "in_hot_folder": len(handed), "wrong": wrong}))
    return 1 if wrong or not kept else 0


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        def say(text):
            self.wfile.write(text.encode() + b"\r\n")
        say("220 senke.example")
        recipients = []
        while line := self.rfile.readline():
            word = line.split(b":")[0].strip().upper()
            if word.startswith((b"EHLO", b"HELO")):
                say("250 senke.example")
            elif word == b"RCPT TO":
                recipients.append(line.split(b"<")[1].split(b">")[0].decode())
                say("250 2.1.5 ok")
            elif word == b"DATA":
                say("354 go on")
                mail = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    mail += line[1:] if line.startswith(b".") else line
                with self.server.lock:
                    self.server.count += 1
                    name = f"{self.server.count:04d}-{','.join(recipients)}.eml"
                with open(os.path.join(self.server.dir, name), "wb") as file:
                    file.write(mail)
                recipients = []
                say("250 2.0.0 kept")
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 2.0.0 ok")


def sink(folder, port):
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True
    server = Server(("127.0.0.1", int(port)), Session)
    server.dir, server.lock, server.count = folder, threading.Lock(), 0
    print("{}:{}".format(*server.server_address), flush=True)
    server.serve_forever()


def main():
    what, *rest_ = sys.argv[1:]
    if what in ("send", "judge"):
        with open(rest_[0], encoding="utf-8") as file:
            rest_[0] = json.load(file)
    if what == "send":
        send(*rest_)
    elif what == "told":
        told(*rest_)
    elif what == "judge":
        return judge(*rest_, *["0"][: 5 - len(rest_)])
    elif what == "sink":
        sink(*rest_, *["0"][: 2 - len(rest_)])
    return 0


sys.exit(main())
