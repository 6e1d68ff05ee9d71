// SPDX-License-Identifier: EUPL-1.2
//! Broken folders, full disks, broken octets: a clear reason, nothing half done, and it recovers.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use poststelle_connect::hot_folder::HotFolder;
use poststelle_hub::channel::{Channel, ChannelError};
use poststelle_model::Retry;
use serde_json::json;

use crate::fake::{builds, consume, cx, everyday, folder, key, outgoing, visible};
use crate::folder::accepted;

async fn refused(path: &Path) -> ChannelError {
    let out = outgoing(everyday(), folder(path));
    HotFolder::new().send(&cx(), &out, &key(&out)).await.unwrap_err()
}

fn said(error: &ChannelError) -> (&str, Retry) {
    (error.reason.code.as_str(), error.retry)
}

#[tokio::test]
async fn settings_are_checked() {
    let channel = HotFolder::new();
    for config in [
        json!(null),
        json!({}),
        json!({ "path": "relativ/ordner" }),
        json!({ "path": "/srv/../etc" }),
        json!({ "path": "/srv", "mode": 7 }),
        json!({ "path": 5 }),
    ] {
        let error = channel.check(&cx(), &config).await.unwrap_err();
        assert_eq!(said(&error), ("PST-HOTFOLDER-1001", Retry::Never), "{config}");
        assert!(!error.reason.params["detail"].is_empty());
    }
}

#[tokio::test]
async fn folders_that_are_not_there_or_not_folders() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, file) = (dir.path().join("fehlt"), dir.path().join("datei"));
    std::fs::write(&file, "x").unwrap();
    assert_eq!(said(&refused(&missing).await), ("PST-HOTFOLDER-1002", Retry::Later));
    assert!(!missing.exists(), "a missing folder is not created");
    assert_eq!(said(&refused(&file).await), ("PST-HOTFOLDER-1003", Retry::Never));
    assert_eq!(said(&refused(&file.join("darunter")).await), ("PST-HOTFOLDER-1003", Retry::Never));
    for path in [&missing, &file] {
        HotFolder::new().check(&cx(), &folder(path)).await.unwrap_err();
    }
    // The work folder is somebody else's file or a link out of the folder.
    let elsewhere = dir.path().join("anderswo");
    std::fs::create_dir(&elsewhere).unwrap();
    for kind in ["file", "link", "inner"] {
        let path = dir.path().join(kind);
        std::fs::create_dir(&path).unwrap();
        match kind {
            "file" => std::fs::write(path.join(".poststelle"), "x").unwrap(),
            "link" => symlink(&elsewhere, path.join(".poststelle")).unwrap(),
            _ => {
                std::fs::create_dir(path.join(".poststelle")).unwrap();
                symlink(&elsewhere, path.join(".poststelle/bau")).unwrap();
            }
        }
        assert_eq!(said(&refused(&path).await), ("PST-HOTFOLDER-1005", Retry::Later), "{kind}");
    }
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[tokio::test]
async fn only_within_the_permitted_roots() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("frei"), dir.path().join("fremd"));
    for path in [&root, &outside] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::create_dir(root.join("bauamt")).unwrap();
    symlink(&outside, root.join("schleichweg")).unwrap();
    let channel = HotFolder::within(vec![root.clone()]);
    channel.check(&cx(), &folder(&root.join("bauamt"))).await.unwrap();
    for path in [outside, root.join("schleichweg")] {
        let out = outgoing(everyday(), folder(&path));
        let error = channel.send(&cx(), &out, &key(&out)).await.unwrap_err();
        assert_eq!(said(&error), ("PST-HOTFOLDER-1004", Retry::Never), "{}", path.display());
    }
}

#[tokio::test]
async fn a_foreign_folder_with_our_name_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out = outgoing(everyday(), folder(dir.path()));
    let taken = dir.path().join(format!("20261122-081530_musterdorf_{}", out.delivery));
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("fremd"), "x").unwrap();
    let channel = HotFolder::new();
    let error = channel.send(&cx(), &out, &key(&out)).await.unwrap_err();
    assert_eq!(said(&error), ("PST-HOTFOLDER-2005", Retry::Later));
    assert!(taken.join("fremd").exists());
    std::fs::remove_dir_all(&taken).unwrap();
    accepted(&channel, &cx(), &out).await;
    consume(&visible(dir.path())[0]);
}

#[tokio::test]
async fn octets_that_changed_are_never_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    for (what, code) in
        [("original", "PST-HOTFOLDER-3001"), ("part", "PST-HOTFOLDER-3002"), ("large", "PST-HOTFOLDER-3002")]
    {
        let mut content = everyday();
        if what == "large" {
            content = crate::fake::memory(&[("a", "a", vec![7; 3_000_000])]);
            content.parts[1].sha256 = "0".repeat(64);
        }
        if what == "part" {
            content.parts[2].sha256 = "0".repeat(64);
        }
        let mut out = outgoing(content, folder(dir.path()));
        if what == "original" {
            out.message.sha256 = "0".repeat(64);
        }
        let error = HotFolder::new().send(&cx(), &out, &key(&out)).await.unwrap_err();
        assert_eq!(said(&error), (code, Retry::Never), "{what}");
    }
    // The store breaks off in the middle: its own reason, and nothing stays behind.
    let mut content = everyday();
    content.broken = Some(3);
    let out = outgoing(content, folder(dir.path()));
    let error = HotFolder::new().send(&cx(), &out, &key(&out)).await.unwrap_err();
    assert_eq!(said(&error), ("PST-STORE-TEST", Retry::Later));
    assert!(visible(dir.path()).is_empty() && builds(dir.path()).is_empty());
}

fn mount(args: &[&str], dir: &Path) -> bool {
    Command::new("mount")
        .args(args)
        .arg(dir)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Unmounts also when the test fails.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_and_a_read_only_disk() {
    let dir = tempfile::tempdir().unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=512k", "none"], dir.path()) {
        println!("SKIPPED: a full disk needs the right to mount a tmpfs");
        return;
    }
    let _mounted = Mounted(dir.path());
    let (cx, channel) = (cx(), HotFolder::new());
    let ballast = dir.path().join(".ballast");
    std::fs::write(&ballast, vec![0; 420_000]).unwrap();
    let out = outgoing(everyday(), folder(dir.path()));
    let error = channel.send(&cx, &out, &key(&out)).await.unwrap_err();
    assert_eq!(said(&error), ("PST-HOTFOLDER-2001", Retry::Later));
    assert!(visible(dir.path()).is_empty() && builds(dir.path()).is_empty());

    std::fs::remove_file(&ballast).unwrap();
    assert!(mount(&["-o", "remount,ro"], dir.path()));
    let error = channel.send(&cx, &out, &key(&out)).await.unwrap_err();
    assert_eq!(said(&error), ("PST-HOTFOLDER-2002", Retry::Later));
    let error = channel.check(&cx, &out.config).await.unwrap_err();
    assert_eq!(said(&error), ("PST-HOTFOLDER-2002", Retry::Later));

    assert!(mount(&["-o", "remount,rw"], dir.path()));
    channel.check(&cx, &out.config).await.unwrap();
    accepted(&channel, &cx, &out).await;
    consume(&visible(dir.path())[0]);
}
