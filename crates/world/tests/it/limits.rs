// SPDX-License-Identifier: EUPL-1.2
//! What a channel says of itself is kept: so many calls to one target at once, and what is over is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use poststelle_hub::Limits;
use poststelle_hub::watch::{Timers, Watch};
use poststelle_model::Who;
use poststelle_world::far_side::FarSide;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::house::{self, House, Settings};

async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    house::until(20, async || if ready() { Ok(()) } else { Err(what.to_owned()) }).await;
}

/// Connections that are open, were open at once, and have ended.
#[derive(Default)]
struct Seen {
    open: AtomicUsize,
    most: AtomicUsize,
    ended: AtomicUsize,
}

/// A server that takes connections and never says a word.
async fn silent(seen: Arc<Seen>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
            seen.most.fetch_max(open, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 64]).await;
                seen.open.fetch_sub(1, Ordering::SeqCst);
                seen.ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_target_gets_so_many_calls_at_once() {
    let seen = Arc::new(Seen::default());
    let relay = silent(Arc::clone(&seen)).await;
    let settings = Settings { limits: Limits::default(), max_out: 1_000_000, call: Duration::from_secs(2) };
    let house = House::relaying(settings, Arc::new(FarSide::start().await.unwrap()), relay).await;
    let most = house.hub.channels().find(|c| c.describe().name == "mail").unwrap().describe().parallel;
    let count = 2 * most + 5;
    assert!(count < Limits::default().parallel, "else the node itself is the limit");
    let tenant = house.hub.add_tenant("adorf", "Adorf", &Who::house("test")).await.unwrap();
    let to: Vec<String> = (0..count).map(|n| format!("n{n}@stumm.example")).collect();
    house.submit(tenant, &to.iter().map(String::as_str).collect::<Vec<_>>()).await;
    until("never as many as allowed", || seen.most.load(Ordering::SeqCst) >= most).await;
    until("no call ends", || seen.ended.load(Ordering::SeqCst) >= most).await;
    assert_eq!(seen.most.load(Ordering::SeqCst), most);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_of_a_hot_folder_is_tidied_on_a_timer() {
    let settings = Settings { limits: Limits::default(), max_out: 1_000_000, call: Duration::from_secs(2) };
    let house = House::open(settings).await;
    let who = Who::house("test");
    let tenant = house.hub.add_tenant("adorf", "Adorf", &who).await.unwrap();
    let folder = house.dir.path().join("uebergabe");
    let ledger = folder.join(".poststelle/uebergeben");
    std::fs::create_dir_all(&ledger).unwrap();
    // A target that cannot be reached does not stop the others.
    for path in [house.dir.path().join("fehlt"), folder] {
        let config = json!({ "path": path });
        house.hub.add_connector(tenant, "hot_folder", "Akte", &config, None, &who).await.unwrap();
    }
    let [old, young] = ["alt", "neu"].map(|name| ledger.join(name));
    std::fs::write(&young, "").unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    std::fs::File::create(&old).unwrap().set_modified(long_ago).unwrap();
    let timers = Timers { sweep: Duration::from_millis(50), canary: Duration::ZERO, ..Timers::default() };
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(Arc::new(Watch::new(Arc::clone(&house.hub), timers)).run(stopping));
    until("what is over is still there", || !old.exists()).await;
    assert!(young.exists());
    stop.send_replace(true);
    running.await.unwrap();
    house.close().await;
}
