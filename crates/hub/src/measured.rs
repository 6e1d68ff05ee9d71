// SPDX-License-Identifier: EUPL-1.2
//! A blob store that tells how long it takes; it changes nothing else.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use poststelle_store::StoreError;
use poststelle_store::blob::{BlobStore, Listed, Upload};

use crate::metrics::{Histograms, OperationLabel};

/// `inner`, measured.
pub(crate) struct Measured {
    pub(crate) inner: Arc<dyn BlobStore>,
    pub(crate) seconds: Histograms<OperationLabel>,
}

struct MeasuredUpload {
    inner: Box<dyn Upload>,
    seconds: Histograms<OperationLabel>,
}

/// What fails is not measured: a refused connection is quick, a time-out would drown the rest.
async fn measure<T>(
    seconds: &Histograms<OperationLabel>,
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let began = Instant::now();
    let result = work.await;
    if result.is_ok() {
        let label = OperationLabel { operation: operation.into() };
        seconds.get_or_create(&label).observe(began.elapsed().as_secs_f64());
    }
    result
}

#[async_trait]
impl BlobStore for Measured {
    async fn create(&self, name: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.inner.create(name).await?;
        Ok(Box::new(MeasuredUpload { inner, seconds: self.seconds.clone() }))
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        measure(&self.seconds, "read", self.inner.read(name, range)).await
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        measure(&self.seconds, "delete", self.inner.delete(name)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        measure(&self.seconds, "list", self.inner.list(prefix)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }
}

#[async_trait]
impl Upload for MeasuredUpload {
    async fn write(&mut self, octets: Vec<u8>) -> Result<(), StoreError> {
        self.inner.write(octets).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        measure(&self.seconds, "finish", self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}
