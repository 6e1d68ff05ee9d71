// SPDX-License-Identifier: EUPL-1.2
//! Mail straight to the servers of a domain, as a foreign name server (NSD) names them.
//!
//! A missing NSD is reported as `SKIPPED`; with `POSTSTELLE_REQUIRE_ORACLES=1` it is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use poststelle_channels::mail::{Direct, MailRoutes};
use poststelle_hub::Limits;
use poststelle_hub::net::is_public;
use poststelle_hub::view::MessageView;
use poststelle_mail::smtp::client::{ADDRESSES, Dns, HOSTS, NoExchange};
use poststelle_model::{DeliveryState, TenantId, Who};
use poststelle_world::far_side::FarSide;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::house::{self, House, Settings, until};

const ZONE: &str = r"$ORIGIN example.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
einer MX 10 mx1
mehrere MX 20 mx3
mehrere MX 10 mx1
mehrere MX 10 mx2
mx1 A 1.1.1.1
mx1 AAAA 2606:4700::1
mx2 A 1.1.1.2
mx3 A 1.1.1.3
ohne A 1.1.1.9
ohne AAAA 2606:4700::9
sechs AAAA 2606:4700::6
keine MX 0 .
text TXT nur-text
leer MX 10 text
leer MX 20 fehlt
zweitname CNAME einer
xn--mller-kva MX 10 mx1
wir MX 10 hub
wir MX 20 mx3
zuletzt MX 10 mx1
zuletzt MX 20 HUB
zuletzt MX 30 mx3
hub A 1.1.1.8
innen MX 10 intern
intern A 10.0.0.1
intern A 127.0.0.1
intern AAAA ::ffff:1.1.1.1
gemischt MX 10 halb
halb A 192.168.0.1
halb A 1.1.1.4
lahm MX 10 mx.kaputt
stufen MX 10 tot
stufen MX 20 lebt
stufen MX 30 niemals
tot A 127.0.0.2
lebt A 127.0.0.1
niemals A 127.0.0.3
lokal A 127.0.0.1
lokalsechs AAAA ::1
";

/// A name server of our own on loopback.
struct Nsd {
    child: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl Drop for Nsd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nsd {
    async fn start() -> Option<Self> {
        let program =
            ["/usr/sbin/nsd", "/usr/bin/nsd"].into_iter().find(|p| std::path::Path::new(p).exists());
        let Some(program) = program else {
            assert!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref() != Ok("1"), "NSD is required");
            println!("SKIPPED: NSD is not installed, MX lookup not tried against a foreign name server");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let mut zone = ZONE.to_owned();
        for n in 0..60 {
            writeln!(zone, "viele MX {n} ein-langer-name-fuer-den-mailserver-nummer-{n}").unwrap();
            writeln!(zone, "ein-langer-name-fuer-den-mailserver-nummer-{n} A 1.1.2.{n}").unwrap();
            writeln!(zone, "breit A 1.1.3.{n}").unwrap();
        }
        std::fs::write(dir.path().join("example.zone"), zone).unwrap();
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let at = dir.path().display();
        // A zone whose file is missing is answered with SERVFAIL.
        let config = format!(
            "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: \"\"\n zonesdir: \"{at}\"\n \
             database: \"\"\n pidfile: \"\"\n logfile: \"{at}/log\"\n xfrdfile: \"{at}/xfrd\"\n xfrdir: \"{at}\"\n \
             zonelistfile: \"{at}/zones\"\n cookie-secret-file: \"\"\n\
             remote-control:\n control-enable: no\n\
             zone:\n name: example\n zonefile: example.zone\n\
             zone:\n name: kaputt.example\n zonefile: gibt-es-nicht\n",
            port = address.port()
        );
        std::fs::write(dir.path().join("nsd.conf"), config).unwrap();
        let child = Command::new(program)
            .args(["-d", "-c"])
            .arg(dir.path().join("nsd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nsd = Self { child, address, _dir: dir };
        until(20, async || {
            let log = || std::fs::read_to_string(nsd._dir.path().join("log")).unwrap_or_default();
            TcpStream::connect(address).await.map_err(|_| format!("NSD does not answer: {}", log()))
        })
        .await;
        Some(nsd)
    }

    fn dns(&self, permitted: fn(IpAddr) -> bool) -> Dns {
        Dns::new(Some(self.address), Duration::from_secs(5), permitted).unwrap()
    }
}

/// Hosts of a domain in order, with `draw` as the random number of all.
async fn hosts(
    dns: &Dns,
    domain: &str,
    mut draw: impl FnMut() -> u64 + Send,
) -> Result<Vec<String>, NoExchange> {
    let found = dns.exchanges(domain, "hub.example", &mut draw).await?;
    Ok(found.into_iter().map(|e| e.host).collect())
}

#[tokio::test]
async fn a_foreign_name_server_names_the_servers() {
    let Some(nsd) = Nsd::start().await else { return };
    let dns = nsd.dns(is_public);
    let ask = async |domain: &str| hosts(&dns, domain, || 0).await;
    let names = |all: &[&str]| Ok(all.iter().map(|n| format!("{n}.example")).collect::<Vec<_>>());

    assert_eq!(ask("einer.example").await, names(&["mx1"]));
    assert_eq!(ask("EINER.example").await, names(&["mx1"]));
    assert_eq!(ask("zweitname.example").await, names(&["mx1"]));
    assert_eq!(ask("müller.example").await, names(&["mx1"]));
    assert_eq!(ask("ohne.example").await, names(&["ohne"]), "no MX: the domain itself");
    assert_eq!(ask("sechs.example").await, names(&["sechs"]));
    assert_eq!(ask("zuletzt.example").await, names(&["mx1"]), "nothing that is not before us");
    assert_eq!(ask("viele.example").await.unwrap().len(), HOSTS, "an answer too long for UDP, capped");

    // Equals in an order drawn anew, the less preferred behind them.
    let (mut orders, mut seed) = (BTreeSet::new(), 1_u64);
    for _ in 0..64 {
        let draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        };
        let order = hosts(&dns, "mehrere.example", draw).await.unwrap();
        assert_eq!(order[2], "mx3.example");
        orders.insert(order);
    }
    assert_eq!(orders.len(), 2);

    let addresses = async |domain: &str| {
        let found = dns.exchanges(domain, "hub.example", &mut || 0).await.unwrap();
        found[0].addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(addresses("einer.example").await, ["1.1.1.1", "2606:4700::1"]);
    assert_eq!(addresses("gemischt.example").await, ["1.1.1.4"], "only what is permitted");
    assert_eq!(addresses("breit.example").await.len(), ADDRESSES);
    assert_eq!(addresses("[1.1.1.1]").await, ["1.1.1.1"]);
    assert_eq!(addresses("[IPv6:2606:4700::1]").await, ["2606:4700::1"]);

    assert_eq!(ask("keine.example").await, Err(NoExchange::NullMx));
    assert_eq!(ask("fehlt.example").await, Err(NoExchange::NoDomain));
    assert_eq!(ask("text.example").await, Err(NoExchange::NoServer));
    assert_eq!(ask("leer.example").await, Err(NoExchange::NoServer), "servers that do not exist");
    assert_eq!(ask("wir.example").await, Err(NoExchange::Ourselves));
    assert!(matches!(ask("innen.example").await, Err(NoExchange::Forbidden { .. })));
    for literal in ["[127.0.0.1]", "[10.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]"] {
        assert!(matches!(ask(literal).await, Err(NoExchange::Forbidden { .. })), "{literal}");
    }
    // SERVFAIL for the domain, for its server, and a server that does not know the domain at all.
    for later in ["kaputt.example", "lahm.example", "anderswo.beispiel"] {
        let answer = ask(later).await;
        assert!(matches!(answer, Err(NoExchange::Later(_))), "{later}: {answer:?}");
    }
}

#[tokio::test]
async fn a_silent_name_server_is_no_verdict() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns = Dns::new(Some(udp.local_addr().unwrap()), Duration::from_millis(200), is_public).unwrap();
    let answer = hosts(&dns, "amt.example", || 0).await;
    assert!(matches!(answer, Err(NoExchange::Later(_))), "{answer:?}");
}

/// Waits until the deliveries of a message stand as expected; gives its view.
async fn stands(
    house: &House,
    tenant: TenantId,
    id: poststelle_model::MessageId,
    expected: &[(&str, DeliveryState, &str)],
) -> MessageView {
    until(30, async || {
        let view = house.hub.message_view_unchecked(tenant, id).await.unwrap();
        let found: BTreeMap<String, (DeliveryState, String)> = view
            .deliveries
            .iter()
            .map(|d| {
                let code = d.delivery.reason.as_ref().map(|r| r.code.as_str().to_owned()).unwrap_or_default();
                (d.delivery.target.to_string(), (d.delivery.state, code))
            })
            .collect();
        let fits = expected.iter().all(|(to, state, code)| {
            found.get(&format!("mail:{to}")).is_some_and(|(s, c)| s == state && c == code)
        });
        if fits { Ok(view) } else { Err(format!("{found:#?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_to_the_first_server_that_answers() {
    let Some(nsd) = Nsd::start().await else { return };
    let far = Arc::new(FarSide::start().await.unwrap());
    let port = far.addr().port();
    let settings =
        || Settings { limits: Limits::default(), max_out: 1_000_000, call: Duration::from_secs(2) };
    let mail = house::mail(MailRoutes::default(), &settings());
    let mail = mail.directly(Direct { dns: nsd.dns(|_| true), port });
    let house = House::sending(settings(), Arc::clone(&far), mail).await;
    let tenant = house.hub.add_tenant("adorf", "Adorf", &Who::house("test")).await.unwrap();
    // The same far side behind an IPv6 address.
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await;
    let to_six = six.is_ok();
    if let Ok(six) = six {
        let to = far.addr();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = six.accept().await {
                let mut there = TcpStream::connect(to).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut there).await });
            }
        });
    } else {
        println!("SKIPPED: no IPv6 on loopback");
    }

    let all = [
        "eins@stufen.example",
        "zwei@lokal.example",
        "drei@keine.example",
        "vier@fehlt.example",
        "fuenf@text.example",
        "sechs@kaputt.example",
        "sieben@wir.example",
    ];
    let id = house.submit(tenant, &all).await;
    let view = stands(
        &house,
        tenant,
        id,
        &[
            ("eins@stufen.example", DeliveryState::Accepted, ""),
            ("zwei@lokal.example", DeliveryState::Accepted, ""),
            ("drei@keine.example", DeliveryState::Rejected, "PST-MAIL-5006"),
            ("vier@fehlt.example", DeliveryState::Rejected, "PST-MAIL-5007"),
            ("fuenf@text.example", DeliveryState::Rejected, "PST-MAIL-5008"),
            ("sechs@kaputt.example", DeliveryState::Deferred, "PST-MAIL-4006"),
            ("sieben@wir.example", DeliveryState::Rejected, "PST-MAIL-5009"),
        ],
    )
    .await;
    let dialogue = view.receipts.iter().find(|r| r.body.contains("eins@stufen.example")).unwrap();
    assert!(dialogue.body.starts_with("host lebt.example [127.0.0.1:"), "{}", dialogue.body);
    assert!(dialogue.body.contains("not by tot.example"), "the vain try is kept: {}", dialogue.body);
    let null = view.deliveries.iter().find(|d| d.delivery.target.to_string().contains("keine")).unwrap();
    assert!(null.sentence.contains("keine.example nimmt überhaupt keine E-Mail an"), "{}", null.sentence);
    if to_six {
        let id = house.submit(tenant, &["acht@lokalsechs.example"]).await;
        stands(&house, tenant, id, &[("acht@lokalsechs.example", DeliveryState::Accepted, "")]).await;
    }
    let mut got: Vec<String> = far.received().into_iter().flat_map(|m| m.to).collect();
    got.sort();
    let six = to_six.then_some("acht@lokalsechs.example");
    assert_eq!(got, six.into_iter().chain(["eins@stufen.example", "zwei@lokal.example"]).collect::<Vec<_>>());
    house.close().await;

    // As it is without further ado: nothing goes to an address inside.
    let far = Arc::new(FarSide::start().await.unwrap());
    let mail = house::mail(MailRoutes::default(), &settings());
    let mail = mail.directly(Direct { dns: nsd.dns(is_public), port: far.addr().port() });
    let house = House::sending(settings(), Arc::clone(&far), mail).await;
    let tenant = house.hub.add_tenant("adorf", "Adorf", &Who::house("test")).await.unwrap();
    let id = house.submit(tenant, &["neun@lokal.example", "zehn@innen.example"]).await;
    let refused = DeliveryState::Rejected;
    let expected =
        [("neun@lokal.example", refused, "PST-MAIL-5010"), ("zehn@innen.example", refused, "PST-MAIL-5010")];
    stands(&house, tenant, id, &expected).await;
    assert!(far.received().is_empty());
    house.close().await;
}
