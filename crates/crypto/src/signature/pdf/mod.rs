// SPDX-License-Identifier: EUPL-1.2
//! PDF.
mod changes;
mod range;
