// SPDX-License-Identifier: EUPL-1.2
module poststelle.example/oracle

go 1.19

require golang.org/x/mod v0.17.0
