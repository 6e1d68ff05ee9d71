// SPDX-License-Identifier: EUPL-1.2
//! Keys in a token.
