// SPDX-License-Identifier: EUPL-1.2
//! The real clamd, and listeners that behave badly: only a whole good answer is ever "clean".

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use poststelle_inspect::codes;
use poststelle_inspect::octets::Spool;
use poststelle_inspect::scan::{Address, Answer, Clamd, Octets, Scanner, Settings, octets_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Two halves: a scanner must not take this file away.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!", "$H+H*"].concat().into_bytes()
}

fn octets(octets: impl Into<Bytes>) -> Octets<'static> {
    let octets: Bytes = octets.into();
    stream::iter([Ok(Bytes::new()), Ok(octets), Ok(Bytes::new())]).boxed()
}

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Indeterminate { reason } => &reason.code,
        other => panic!("{other:?}"),
    }
}

/// The daemon of scripts/servers/clamd, over both kinds of sockets.
fn daemons() -> Vec<Settings> {
    let get = |name: &str| std::env::var(name).ok();
    let (Some(tcp), Some(unix)) = (get("POSTSTELLE_TEST_CLAMD"), get("POSTSTELLE_TEST_CLAMD_SOCKET")) else {
        assert!(get("POSTSTELLE_REQUIRE_ORACLES").as_deref() != Some("1"), "clamd is required");
        println!("SKIPPED: no clamd (POSTSTELLE_TEST_CLAMD)");
        return Vec::new();
    };
    vec![Settings::new(Address::Tcp(tcp)), Settings::new(Address::Unix(unix.into()))]
}

#[tokio::test]
async fn the_real_clamd() {
    for settings in daemons() {
        let max: usize = std::env::var("POSTSTELLE_TEST_CLAMD_STREAM_MAX").unwrap().parse().unwrap();
        let clamd = Arc::new(Clamd::new(settings.clone()));
        assert!(clamd.version().await.unwrap().starts_with("ClamAV "));
        assert_eq!(clamd.scan(octets("Guten Tag")).await, Answer::Clean);
        assert_eq!(clamd.scan(octets("")).await, Answer::Clean);
        let Answer::Infected { signature } = clamd.scan(octets(eicar())).await else { panic!("not found") };
        assert!(signature.starts_with("Eicar-Test-Signature"), "{signature}");
        // More at a time than there are connections; sealed spools of several MiB.
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::of(folder.path(), &vec![b'x'; 3_000_000]).unwrap();
        assert!(spool.is_on_disk());
        let scans = (0..12).map(|n| {
            let (clamd, spool) = (Arc::clone(&clamd), spool.clone());
            async move {
                match n % 3 {
                    0 => (clamd.scan(octets(eicar())).await, true),
                    _ => (clamd.scan(octets_of(&spool)).await, false),
                }
            }
        });
        for (answer, infected) in futures::future::join_all(scans).await {
            assert_eq!(matches!(answer, Answer::Infected { .. }), infected, "{answer:?}");
            assert!(infected || answer == Answer::Clean);
        }
        // Too large by the daemon's own limit, and by ours, which lies below.
        let answer = clamd.scan(octets(vec![b'x'; max + 1_000_000])).await;
        assert_eq!(code(&answer), codes::SCANNER_SIZE);
        let ours = Clamd::new(Settings { stream_max: 1_000, ..settings });
        assert_eq!(code(&ours.scan(octets(vec![b'x'; 1_001])).await), codes::SCANNER_SIZE);
        assert_eq!(ours.scan(octets(vec![b'x'; 1_000])).await, Answer::Clean, "its limits are no failure");
    }
}

/// A listener that answers as `behave` says; counts connections.
async fn bad<F, Fut>(behave: F) -> (Settings, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(behave(stream));
        }
    });
    (Settings::new(Address::Tcp(address)), count)
}

/// Somebody who does not wait long.
fn hasty(settings: Settings) -> Settings {
    Settings { chunk: Duration::from_millis(300), whole: Duration::from_millis(600), ..settings }
}

/// Takes everything up to the empty chunk.
async fn take_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await.unwrap();
    assert_eq!(&command, b"zINSTREAM\0");
    let mut all = Vec::new();
    loop {
        let len = stream.read_u32().await.unwrap();
        if len == 0 {
            return all;
        }
        let mut chunk = vec![0; usize::try_from(len).unwrap()];
        stream.read_exact(&mut chunk).await.unwrap();
        all.extend(chunk);
    }
}

#[tokio::test]
async fn bad_answers_never_mean_clean() {
    for (answer, want) in [
        (&b"stream: OK"[..], codes::SCANNER_ANSWER),
        (b"stream: O", codes::SCANNER_ANSWER),
        (b"", codes::SCANNER_ANSWER),
        (b"\0", codes::SCANNER_ANSWER),
        (b"220 mail.example ESMTP\r\n", codes::SCANNER_ANSWER),
        (b"stream: Can't open file ERROR\0", codes::SCANNER_ERROR),
    ] {
        let (settings, _) = bad(move |mut stream| async move {
            assert_eq!(take_all(&mut stream).await, b"Guten Tag");
            stream.write_all(answer).await.unwrap();
        })
        .await;
        let got = Clamd::new(settings).scan(octets("Guten Tag")).await;
        assert_eq!(code(&got), want, "{}", answer.escape_ascii());
    }
    // Endless garbage is cut off.
    let (settings, _) = bad(|mut stream| async move {
        take_all(&mut stream).await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    assert_eq!(code(&Clamd::new(settings).scan(octets("Guten Tag")).await), codes::SCANNER_ANSWER);
}

#[tokio::test]
async fn drops_and_stalls_never_mean_clean() {
    // Hangs up at once, after the command, in the middle.
    for take in [0, 10, 5_000] {
        let (settings, _) = bad(move |mut stream| async move {
            let mut some = vec![0; take];
            let _ = stream.read_exact(&mut some).await;
        })
        .await;
        let got = Clamd::new(settings).scan(octets(vec![b'x'; 20_000_000])).await;
        let got = code(&got);
        assert!([codes::SCANNER_UNREACHABLE, codes::SCANNER_ANSWER].contains(&got), "{got}");
    }
    // Says "OK" before it has everything, and hangs up.
    let (settings, _) = bad(|mut stream| async move {
        let mut some = [0; 100];
        stream.read_exact(&mut some).await.unwrap();
        stream.write_all(b"stream: OK\0").await.unwrap();
    })
    .await;
    let got = Clamd::new(settings).scan(octets(vec![b'x'; 20_000_000])).await;
    assert!(matches!(got, Answer::Indeterminate { .. }), "{got:?}");
    // Takes nothing; takes all and says nothing.
    let (settings, _) = bad(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(
        code(&Clamd::new(hasty(settings)).scan(octets(vec![b'x'; 20_000_000])).await),
        codes::SCANNER_TIMEOUT
    );
    let (settings, _) = bad(|mut stream| async move {
        take_all(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(code(&Clamd::new(hasty(settings)).scan(octets("x")).await), codes::SCANNER_TIMEOUT);
    // Octets that cannot be read.
    let (settings, _) = bad(|mut stream| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
    })
    .await;
    let broken = stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("gone"))]).boxed();
    assert_eq!(code(&Clamd::new(settings).scan(broken).await), codes::SCANNER_INPUT);
}

#[tokio::test]
async fn a_dead_scanner_gets_no_storm_and_is_found_again() {
    let well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let state = Arc::clone(&well);
    let (settings, count) = bad(move |mut stream| {
        let well = state.load(Ordering::SeqCst);
        async move {
            if !well {
                return;
            }
            let mut first = [0; 6];
            stream.read_exact(&mut first).await.unwrap();
            if &first == b"zPING\0" {
                stream.write_all(b"PONG\0").await.unwrap();
                return;
            }
            let mut rest = Vec::new();
            while !rest.ends_with(&[0; 4]) {
                stream.read_buf(&mut rest).await.unwrap();
            }
            stream.write_all(b"stream: OK\0").await.unwrap();
        }
    })
    .await;
    let clamd = Clamd::new(settings);
    assert!(matches!(clamd.scan(octets("x")).await, Answer::Indeterminate { .. }));
    tokio::time::pause();
    for _ in 0..50 {
        assert_eq!(code(&clamd.scan(octets("x")).await), codes::SCANNER_UNREACHABLE);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1, "after the first failure nobody connects");
    // It comes back; when the delay has passed one probe finds out, and then everybody goes.
    well.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(clamd.scan(octets("x")).await, Answer::Clean);
    assert_eq!(count.load(Ordering::SeqCst), 3, "one failure, one probe, one scan");
}

#[tokio::test]
async fn a_version_is_asked_once_a_minute() {
    let (settings, count) = bad(|mut stream| async move {
        let mut command = [0; 9];
        stream.read_exact(&mut command).await.unwrap();
        stream.write_all(b"ClamAV 1.4.6/27800/Sun Nov 22 08:00:00 2026\0").await.unwrap();
    })
    .await;
    let clamd = Clamd::new(settings);
    for _ in 0..5 {
        assert_eq!(clamd.version().await.unwrap(), "ClamAV 1.4.6/27800/Sun Nov 22 08:00:00 2026");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    clamd.version().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
}
