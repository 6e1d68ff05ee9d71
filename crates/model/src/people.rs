// SPDX-License-Identifier: EUPL-1.2
//! Who acts, and what they may: people and services with roles per tenant, desk or mailbox.
//!
//! Operator ≠ tenant: an operator sees channels, queues and the balance, never
//! the content of a tenant's mail.

use serde::{Deserialize, Serialize};

use crate::ids::{DeskId, MailboxId, PrincipalId, TenantId};

/// Who did something: named in every evidence entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Who {
    /// A person or an API client.
    Principal {
        /// Its id.
        id: PrincipalId,
    },
    /// A room of this house acting by itself, e.g. `smtp`, `process`.
    House {
        /// Which.
        room: String,
    },
}

impl Who {
    /// A room of the house.
    #[must_use]
    pub fn house(room: &str) -> Self {
        Self::House { room: room.to_owned() }
    }

    /// The stored text: `principal:<id>` or `house:<room>`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Principal { id } => format!("principal:{id}"),
            Self::House { room } => format!("house:{room}"),
        }
    }
}

/// What somebody may do within a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the installation; sees no mail.
    Operator,
    /// Runs a tenant: people, rules, connectors; sees its mail.
    TenantAdmin,
    /// Works with mail.
    Clerk,
    /// Reads mail and proofs, changes nothing.
    Auditor,
    /// An API client that hands messages in.
    Intake,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Operator, Self::TenantAdmin, Self::Clerk, Self::Auditor, Self::Intake];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::TenantAdmin => "tenant_admin",
            Self::Clerk => "clerk",
            Self::Auditor => "auditor",
            Self::Intake => "intake",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// May this role read mail?
    #[must_use]
    pub const fn reads_mail(self) -> bool {
        matches!(self, Self::TenantAdmin | Self::Clerk | Self::Auditor)
    }

    /// May this role set something going that concerns mail?
    #[must_use]
    pub const fn handles_mail(self) -> bool {
        matches!(self, Self::TenantAdmin | Self::Clerk)
    }
}

/// Where a role holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope")]
pub enum Place {
    /// The whole installation (operators only).
    Installation,
    /// A whole tenant.
    Tenant {
        /// Which.
        tenant: TenantId,
    },
    /// One desk, for the mail of one tenant.
    Desk {
        /// Whose mail.
        tenant: TenantId,
        /// Which desk.
        desk: DeskId,
    },
    /// One mailbox.
    Mailbox {
        /// Whose mail.
        tenant: TenantId,
        /// Which box.
        mailbox: MailboxId,
    },
}

/// One granted role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Where it holds.
    pub place: Place,
}

/// All that a signed-in principal may: the only way pages and API decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Who.
    pub principal: PrincipalId,
    /// What was granted and is backed by a mandate today.
    pub grants: Vec<Grant>,
}

impl Access {
    /// Does the principal run the installation?
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.grants.iter().any(|g| g.role == Role::Operator && g.place == Place::Installation)
    }

    /// Tenants in which the principal may read some mail, ascending, without repeats.
    #[must_use]
    pub fn reading_tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> =
            self.grants.iter().filter(|g| g.role.reads_mail()).filter_map(|g| g.place.tenant()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// May read a message of `tenant` that lies in `mailboxes` and on `desks`.
    #[must_use]
    pub fn may_read(&self, tenant: TenantId, mailboxes: &[MailboxId], desks: &[DeskId]) -> bool {
        self.reaches(Role::reads_mail, tenant, mailboxes, desks)
    }

    /// May set something going for a message of `tenant` that lies in `mailboxes` and on `desks`.
    #[must_use]
    pub fn may_handle(&self, tenant: TenantId, mailboxes: &[MailboxId], desks: &[DeskId]) -> bool {
        self.reaches(Role::handles_mail, tenant, mailboxes, desks)
    }

    /// May write in the name of `mailbox` of `tenant`. A role at a desk stands for all boxes of the tenant: who works
    /// there answers for it.
    #[must_use]
    pub fn may_write(&self, tenant: TenantId, mailbox: MailboxId) -> bool {
        self.grants.iter().filter(|g| g.role.handles_mail()).any(|g| match g.place {
            Place::Installation => false,
            Place::Tenant { tenant: t } | Place::Desk { tenant: t, .. } => t == tenant,
            Place::Mailbox { tenant: t, mailbox: m } => t == tenant && m == mailbox,
        })
    }

    /// Tenants for which the principal may write, ascending, without repeats.
    #[must_use]
    pub fn writing_tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> =
            self.grants.iter().filter(|g| g.role.handles_mail()).filter_map(|g| g.place.tenant()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// Tenants the principal administers, ascending, without repeats. The role at one desk or mailbox makes no
    /// administrator.
    #[must_use]
    pub fn administered_tenants(&self) -> Vec<TenantId> {
        let admin = |g: &&Grant| g.role == Role::TenantAdmin;
        let mut tenants: Vec<TenantId> = self
            .grants
            .iter()
            .filter(admin)
            .filter_map(|g| match g.place {
                Place::Tenant { tenant } => Some(tenant),
                _ => None,
            })
            .collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    fn reaches(
        &self,
        role: impl Fn(Role) -> bool,
        tenant: TenantId,
        mailboxes: &[MailboxId],
        desks: &[DeskId],
    ) -> bool {
        self.grants.iter().filter(|g| role(g.role)).any(|g| match g.place {
            Place::Installation => false,
            Place::Tenant { tenant: t } => t == tenant,
            Place::Desk { tenant: t, desk } => t == tenant && desks.contains(&desk),
            Place::Mailbox { tenant: t, mailbox } => t == tenant && mailboxes.contains(&mailbox),
        })
    }

    /// Boxes and desks of `tenant` whose mail the principal may read, beside what holds for the whole tenant.
    #[must_use]
    pub fn reading_places(&self, tenant: TenantId) -> (Vec<MailboxId>, Vec<DeskId>) {
        let (mut boxes, mut desks) = (Vec::new(), Vec::new());
        for grant in self.grants.iter().filter(|g| g.role.reads_mail()) {
            match grant.place {
                Place::Mailbox { tenant: t, mailbox } if t == tenant => boxes.push(mailbox),
                Place::Desk { tenant: t, desk } if t == tenant => desks.push(desk),
                _ => {}
            }
        }
        boxes.sort_unstable();
        boxes.dedup();
        desks.sort_unstable();
        desks.dedup();
        (boxes, desks)
    }

    /// Holds `role` for the whole of `tenant`.
    #[must_use]
    pub fn has(&self, role: Role, tenant: TenantId) -> bool {
        self.grants.contains(&Grant { role, place: Place::Tenant { tenant } })
    }
}

impl Place {
    /// The tenant, if the place is inside one.
    #[must_use]
    pub const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Installation => None,
            Self::Tenant { tenant } | Self::Desk { tenant, .. } | Self::Mailbox { tenant, .. } => {
                Some(tenant)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededIds;

    #[test]
    fn a_role_never_reaches_another_tenant() {
        let ids = SeededIds::new(1);
        let (a, b) = (TenantId::new(&ids), TenantId::new(&ids));
        let (desk, mailbox) = (DeskId::new(&ids), MailboxId::new(&ids));
        let access =
            |role, place| Access { principal: PrincipalId::new(&ids), grants: vec![Grant { role, place }] };
        let clerk = access(Role::Clerk, Place::Desk { tenant: a, desk });
        assert!(clerk.may_read(a, &[], &[desk]));
        assert!(!clerk.may_read(b, &[], &[desk]));
        assert!(!clerk.may_read(a, &[mailbox], &[]));
        assert_eq!(clerk.reading_places(a), (vec![], vec![desk]));
        assert_eq!(clerk.reading_places(b), (vec![], vec![]));
        assert!(clerk.may_handle(a, &[], &[desk]) && !clerk.may_handle(b, &[], &[desk]));
        assert!(clerk.may_write(a, mailbox) && !clerk.may_write(b, mailbox));
        assert_eq!(clerk.writing_tenants(), [a]);
        let narrow = access(Role::Clerk, Place::Mailbox { tenant: a, mailbox });
        assert!(narrow.may_write(a, mailbox) && !narrow.may_write(a, MailboxId::new(&ids)));
        let auditor = access(Role::Auditor, Place::Tenant { tenant: a });
        assert!(auditor.may_read(a, &[], &[]) && !auditor.may_handle(a, &[mailbox], &[desk]));
        assert!(!auditor.may_write(a, mailbox) && auditor.writing_tenants().is_empty());
        let admin = access(Role::TenantAdmin, Place::Tenant { tenant: a });
        assert!(admin.has(Role::TenantAdmin, a) && !admin.has(Role::TenantAdmin, b));
        assert_eq!(admin.administered_tenants(), [a]);
        let at_a_desk = access(Role::TenantAdmin, Place::Desk { tenant: a, desk });
        assert!(at_a_desk.administered_tenants().is_empty());
        let operator = access(Role::Operator, Place::Installation);
        assert!(operator.administered_tenants().is_empty());
        assert!(!operator.may_write(a, mailbox));
        assert!(operator.is_operator());
        assert!(!operator.may_read(a, &[mailbox], &[desk]));
        let intake = access(Role::Intake, Place::Tenant { tenant: a });
        assert!(!intake.may_read(a, &[mailbox], &[desk]));
        assert!(intake.reading_tenants().is_empty());
    }
}
