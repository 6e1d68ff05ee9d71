// SPDX-License-Identifier: EUPL-1.2
//! Notes about formats.

pub(crate) mod pdf;
