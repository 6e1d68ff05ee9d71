// SPDX-License-Identifier: EUPL-1.2
//! An installation as `init` founds it, a node that runs on it, and the little an SMTP client and a browser need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use poststelle_store::{Db, DbConfig};

use crate::place::{self, Kind};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation.
pub struct House {
    pub dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    /// First password of `betrieb`.
    pub password: String,
}

impl House {
    /// Founded by `init`.
    pub async fn founded(kind: Kind) -> Self {
        let mut env = vec![
            ("POSTSTELLE_WEB_LISTEN", "127.0.0.1:0".to_owned()),
            ("POSTSTELLE_SMTP_LISTEN", "127.0.0.1:0".to_owned()),
            ("POSTSTELLE_TIMERS_CANARY_SECONDS", "0".to_owned()),
        ];
        if kind == Kind::Postgres {
            let (url, owner, role) = place::new_postgres().await;
            env.push(("POSTSTELLE_DATABASE_URL", url));
            env.push(("POSTSTELLE_DATABASE_OWNER_URL", owner));
            env.push(("POSTSTELLE_DATABASE_APP_ROLE", role));
        }
        let mut house = Self { dir: tempfile::tempdir().unwrap(), env, password: String::new() };
        let said = house.init(&["--domain", "post.beispiel.example"]);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let said = String::from_utf8(said.stdout).unwrap();
        house.password =
            said.lines().find_map(|l| l.trim().strip_prefix("Passwort ")).unwrap().trim().to_owned();
        assert_eq!(said.lines().filter(|l| l.starts_with("  poststelle ")).count(), 3, "{said}");
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("haus").join(name)
    }

    pub fn init(&self, more: &[&str]) -> Output {
        let dir = self.dir.path().join("haus");
        self.command().arg("init").arg(dir).args(more).output().unwrap()
    }

    /// Its database, to look behind the commands.
    pub async fn db(&self) -> Db {
        let of =
            self.env.iter().find(|(name, _)| *name == "POSTSTELLE_DATABASE_URL").map(|(_, url)| url.clone());
        let url = of.unwrap_or_else(|| format!("sqlite://{}", self.path("data/poststelle.db").display()));
        Db::open(&DbConfig::new(&url)).await.unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poststelle"));
        command.envs(self.env.iter().map(|(n, v)| (*n, v.as_str()))).env("USER", "probe");
        command.env_remove("SUDO_USER").env_remove("LOGNAME");
        command
    }

    pub fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command();
        command.args(arguments).arg("--config").arg(self.path("poststelle.toml"));
        command.env("EINWOHNERWESEN_GEHEIMNIS", "ein Geheimnis für Prüfungen");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that asks for nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub fn fine(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {words}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.fine(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// It must refuse; gives what it said.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Writes a directory file; gives its path.
    pub fn write(&self, text: &str) -> String {
        let path = self.path("neu.toml");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Applies a directory file; gives the report.
    pub fn apply(&self, text: &str) -> serde_json::Value {
        self.json(&["directory", "apply", &self.write(text)])
    }

    /// A node at work until it is dropped.
    pub fn serve(&self) -> Node {
        let mut command = self.command();
        command.args(["serve", "--config"]).arg(self.path("poststelle.toml"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (mut web, mut smtp) = (None, None);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(address) = line.strip_prefix("poststelle: http://") {
                web = Some(address.parse().unwrap());
            } else if let Some(address) = line.strip_prefix("smtp: ") {
                smtp = Some(address.parse().unwrap());
            }
            if let (Some(web), Some(smtp)) = (web, smtp) {
                return Node { child, web, smtp };
            }
        }
        panic!("the node ended: {:?}", child.wait());
    }
}

/// A running node.
pub struct Node {
    child: Child,
    pub web: SocketAddr,
    smtp: SocketAddr,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `found` gives something.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Node {
    /// Sends a mail; gives the last reply to each command: RCPT and, when that was taken, DATA.
    pub fn mail(&self, to: &str, subject: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(self.smtp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut say = move |line: &str| -> String {
            stream.write_all(line.as_bytes()).unwrap();
            loop {
                let mut reply = String::new();
                reader.read_line(&mut reply).unwrap();
                if reply.len() < 4 || reply.as_bytes()[3] != b'-' {
                    return reply;
                }
            }
        };
        assert!(say("").starts_with("220"));
        assert!(say("EHLO sender.example\r\n").starts_with("250"));
        assert!(say("MAIL FROM:<erika@buerger.example>\r\n").starts_with("250"));
        let mut replies = vec![say(&format!("RCPT TO:<{to}>\r\n"))];
        if replies[0].starts_with("250") {
            assert!(say("DATA\r\n").starts_with("354"));
            let text = format!(
                "From: Erika Muster <erika@buerger.example>\r\nTo: {to}\r\nSubject: {subject}\r\n\
                 Message-ID: <{}@buerger.example>\r\n\r\nGuten Tag\r\n.\r\n",
                subject.len()
            );
            replies.push(say(&text));
        }
        replies
    }

    /// One request; gives status, head and body.
    pub fn http(&self, method: &str, path: &str, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.web).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n{body}",
            self.web,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// Signs in; gives the cookie.
    pub fn sign_in(&self, login: &str, password: &str) -> Option<String> {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (status, head, _) =
            self.http("POST", "/anmelden", form, &format!("login={login}&password={password}"));
        let cookie = head.lines().find_map(|l| l.strip_prefix("set-cookie: "))?;
        assert_eq!(status, 303);
        Some(cookie.split(';').next().unwrap().to_owned())
    }

    /// Signs in with a password somebody else made, which opens only the form for an own one ([`own`]); gives the
    /// cookie of the session that follows.
    pub fn first_sign_in(&self, login: &str, password: &str) -> Option<String> {
        let cookie = self.sign_in(login, password)?;
        assert_eq!(self.page(&cookie, "/nachrichten").0, 303, "nothing opens before");
        let (_, form) = self.page(&cookie, "/konto/passwort");
        let csrf = form.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let new = own(password);
        let fields = format!("csrf={csrf}&alt={password}&neu={new}&wiederholung={new}");
        let headers = format!("Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        let (status, head, page) = self.http("POST", "/konto/passwort", &headers, &fields);
        assert_eq!(status, 303, "{page}");
        let cookie = head.lines().find_map(|l| l.strip_prefix("set-cookie: ")).unwrap();
        Some(cookie.split(';').next().unwrap().to_owned())
    }

    /// A page as seen with a cookie.
    pub fn page(&self, cookie: &str, path: &str) -> (u16, String) {
        let (status, _, body) = self.http("GET", path, &format!("Cookie: {cookie}\r\n"), "");
        (status, body)
    }
}

/// The password somebody chooses who was given this one.
pub fn own(password: &str) -> String {
    format!("mein-eigenes-{password}")
}
