// SPDX-License-Identifier: EUPL-1.2
//! Blobs in an S3 object store. An object counts when the store acknowledged it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

use super::{BlobStore, Listed, Upload};
use crate::db::StoreError;

/// How to reach the store.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// `http(s)://host:port`.
    pub endpoint: String,
    /// Bucket; must exist.
    pub bucket: String,
    /// Region name; any word for most stores.
    pub region: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// Blobs in one bucket.
#[derive(Debug, Clone)]
pub struct S3Store(Arc<AmazonS3>);

/// S3 wants parts of at least 5 MiB.
const PART: usize = 8 * 1024 * 1024;

fn fault(error: object_store::Error) -> StoreError {
    match error {
        object_store::Error::NotFound { path, .. } => StoreError::NotFound(format!("blob {path}")),
        other => StoreError::Blob(other.to_string()),
    }
}

impl S3Store {
    /// Connects lazily.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn open(config: &S3Config) -> Result<Self, StoreError> {
        let retry = object_store::RetryConfig {
            max_retries: 3,
            retry_timeout: std::time::Duration::from_secs(20),
            ..Default::default()
        };
        let store = AmazonS3Builder::new()
            .with_endpoint(&config.endpoint)
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key)
            .with_secret_access_key(&config.secret_key)
            .with_allow_http(config.endpoint.starts_with("http://"))
            .with_retry(retry)
            .build()
            .map_err(fault)?;
        Ok(Self(Arc::new(store)))
    }
}

struct S3Upload {
    store: S3Store,
    path: Path,
    pending: Vec<u8>,
    parts: Option<Box<dyn MultipartUpload>>,
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, octets: Vec<u8>) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            self.pending = octets;
        } else {
            self.pending.extend_from_slice(&octets);
        }
        if self.pending.len() >= PART {
            let mut parts = match self.parts.take() {
                Some(parts) => parts,
                None => self.store.0.put_multipart(&self.path).await.map_err(fault)?,
            };
            let sent = parts.put_part(std::mem::take(&mut self.pending).into()).await;
            self.parts = Some(parts);
            sent.map_err(fault)?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        match self.parts {
            None => {
                self.store.0.put(&self.path, self.pending.into()).await.map_err(fault)?;
            }
            Some(mut parts) => {
                let pending = self.pending;
                let last = async {
                    if !pending.is_empty() {
                        parts.put_part(pending.into()).await?;
                    }
                    parts.complete().await
                };
                if let Err(error) = last.await {
                    // Parts of an upload that is never completed cost space for ever.
                    let _ = parts.abort().await;
                    return Err(fault(error));
                }
            }
        }
        Ok(())
    }

    async fn abort(self: Box<Self>) {
        if let Some(mut parts) = self.parts {
            let _ = parts.abort().await;
        }
    }
}

#[async_trait]
impl BlobStore for S3Store {
    async fn create(&self, name: &str) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(S3Upload {
            store: self.clone(),
            path: Path::from(name),
            pending: Vec::new(),
            parts: None,
        }))
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        let want = range.end - range.start;
        let octets = self.0.get_range(&Path::from(name), range).await.map_err(fault)?;
        if (octets.len() as u64) < want {
            return Err(StoreError::Blob(format!("{name}: shorter than recorded")));
        }
        Ok(octets)
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.0.delete(&Path::from(name)).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(fault(e)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let prefix = prefix.trim_end_matches('/');
        let prefix = (!prefix.is_empty()).then(|| Path::from(prefix));
        let mut found: Vec<Listed> = self
            .0
            .list(prefix.as_ref())
            .map_ok(|m| Listed {
                name: m.location.to_string(),
                size: m.size,
                modified: m.last_modified.timestamp_micros(),
            })
            .try_collect()
            .await
            .map_err(fault)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.0.put(&Path::from(".check"), vec![0u8; 16].into()).await.map_err(fault)?;
        Ok(())
    }
}
