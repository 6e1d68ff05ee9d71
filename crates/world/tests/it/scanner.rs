// SPDX-License-Identifier: EUPL-1.2
//! The scanner of the demo, asked by the station's own client.

use bytes::Bytes;
use futures::{StreamExt, stream};
use poststelle_inspect::scan::{Address, Answer, Clamd, Scanner, Settings};
use poststelle_world::scanner::{Mimic, SIGNATURE, VERSION, eicar};

#[tokio::test]
async fn knows_eicar_only_and_says_so() {
    let mimic = Mimic::start().await.unwrap();
    let clamd = Clamd::new(Settings::new(Address::Tcp(mimic.address().to_string())));
    assert_eq!(clamd.version().await.unwrap(), VERSION);
    let found = Answer::Infected { signature: SIGNATURE.to_owned() };
    let octets = [b"x".repeat(100_000), eicar(), b"y".repeat(100_000)].concat();
    for step in [7, 1_000, usize::MAX] {
        let pieces: Vec<_> = octets.chunks(step).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
        assert_eq!(clamd.scan(stream::iter(pieces).boxed()).await, found, "by {step}");
    }
    let rest = [Ok(Bytes::from(eicar()).slice(1..))];
    assert_eq!(clamd.scan(stream::iter(rest).boxed()).await, Answer::Clean);
    let (address, task) = (mimic.address(), mimic);
    drop(task);
    // Ended: what comes next is not known, never clean.
    let gone = Clamd::new(Settings::new(Address::Tcp(address.to_string())));
    let answer = gone.scan(stream::iter([Ok(Bytes::from_static(b"x"))]).boxed()).await;
    assert!(matches!(answer, Answer::Indeterminate { .. }), "{answer:?}");
}
