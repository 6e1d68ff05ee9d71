// SPDX-License-Identifier: EUPL-1.2
//! From a directory file and what is there to the changes between them.
//!
//! Guarantees: a plan exists only when nothing in the file is wrong; all mistakes are found at once; what the file
//! does not name is listed and left alone. Names become ids here, of what is there or of what will be.
//! Does not: write anything, or reach a connector's far side.

mod people;
mod places;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use poststelle_model::people::Grant;
use poststelle_model::{AdministrationId, ConnectorId, DeskId, Ids, MailboxId, PrincipalId, Rule, TenantId};
use poststelle_store::tenants::Connector;
use secrecy::SecretString;
use serde::Serialize;

use super::file::{self, File, Mistake, Text};
use super::there::There;

/// Word of the clearing desk, which every tenant has.
pub const CLEARING: &str = "Klärungskorb";

/// What kind of thing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Administration,
    Tenant,
    Desk,
    Mailbox,
    Address,
    Connector,
    Rule,
    Person,
    Service,
}

impl Kind {
    /// The word on screen.
    pub const fn german(self) -> &'static str {
        match self {
            Self::Administration => "Verwaltung",
            Self::Tenant => "Mandant",
            Self::Desk => "Arbeitskorb",
            Self::Mailbox => "Postfach",
            Self::Address => "Adresse",
            Self::Connector => "Übergabeziel",
            Self::Rule => "Regel",
            Self::Person => "Person",
            Self::Service => "Dienst",
        }
    }
}

/// One thing by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thing {
    pub kind: Kind,
    pub name: String,
}

/// How the first password of a person comes about.
#[derive(Debug, Clone)]
pub enum Password {
    /// Made up and shown once.
    Made,
    /// As the file says.
    Given(SecretString),
    /// None: a service.
    None,
}

/// One change.
#[derive(Debug, Clone)]
pub enum Step {
    AddAdministration {
        id: AdministrationId,
        slug: String,
        name: String,
    },
    RenameAdministration {
        id: AdministrationId,
        name: String,
    },
    AddTenant {
        id: TenantId,
        clearing: DeskId,
        slug: String,
        name: String,
    },
    RenameTenant {
        id: TenantId,
        name: String,
    },
    GiveMandate {
        tenant: TenantId,
        administration: AdministrationId,
    },
    AddDesk {
        administration: AdministrationId,
        id: DeskId,
        name: String,
        tenants: Vec<TenantId>,
    },
    SetDeskTenant {
        desk: DeskId,
        tenant: TenantId,
        on: bool,
    },
    AddMailbox {
        tenant: TenantId,
        id: MailboxId,
        name: String,
    },
    SetFourEyes {
        tenant: TenantId,
        id: MailboxId,
        on: bool,
    },
    AddAddress {
        tenant: TenantId,
        mailbox: MailboxId,
        address: String,
    },
    MoveAddress {
        tenant: TenantId,
        from: MailboxId,
        to: MailboxId,
        address: String,
    },
    AddConnector {
        row: Connector,
        secret: Option<SecretString>,
    },
    ChangeConnector {
        row: Connector,
        secret: Option<SecretString>,
    },
    PutRule(Rule),
    AddPrincipal {
        id: PrincipalId,
        login: String,
        name: String,
        kind: &'static str,
        administration: Option<AdministrationId>,
        password: Password,
    },
    ChangePrincipal {
        id: PrincipalId,
        name: String,
        administration: Option<AdministrationId>,
    },
    SetGrant {
        principal: PrincipalId,
        grant: Grant,
        on: bool,
    },
}

/// The changes of one thing.
#[derive(Debug, Clone)]
pub struct Item {
    pub thing: Thing,
    /// Is not there yet.
    pub new: bool,
    /// What about it, in words.
    pub words: Vec<String>,
    pub steps: Vec<Step>,
    /// Where the file speaks of it.
    pub at: Range<usize>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    pub items: Vec<Item>,
    pub unchanged: Vec<Thing>,
    pub not_in_file: Vec<Thing>,
    /// What the operator should know, though it is no mistake.
    pub notices: Vec<String>,
}

/// What a plan is made from.
pub struct Basis<'a> {
    pub file: &'a File,
    /// Text of the file.
    pub text: &'a str,
    /// Folder of the file: other files are named from there.
    pub dir: &'a Path,
    pub there: &'a There,
    /// Secrets in clear of the connectors that have one.
    pub secrets: &'a BTreeMap<ConnectorId, Vec<u8>>,
    /// Kinds of connectors.
    pub kinds: &'a [&'static str],
    /// Domain of the house.
    pub domain: &'a str,
    pub ids: &'a dyn Ids,
}

impl Basis<'_> {
    /// The plan, or everything that is wrong with the file.
    pub fn plan(&self) -> Result<Plan, Vec<Mistake>> {
        let mut planner = Planner {
            basis: self,
            out: Plan::default(),
            mistakes: Vec::new(),
            administrations: BTreeMap::new(),
            tenants: BTreeMap::new(),
            desks: Vec::new(),
            mailboxes: BTreeMap::new(),
            connectors: BTreeMap::new(),
            operators: BTreeSet::new(),
        };
        planner.administrations();
        planner.tenants();
        planner.desks();
        planner.mailboxes();
        planner.connectors();
        planner.rules();
        planner.principals();
        planner.left_alone();
        if planner.mistakes.is_empty() {
            return Ok(planner.out);
        }
        planner.mistakes.sort_by_key(|m| m.line);
        Err(planner.mistakes)
    }
}

/// A tenant as it will be.
#[derive(Debug, Clone)]
struct Tenant {
    id: TenantId,
    clearing: DeskId,
    mandate: Option<AdministrationId>,
    /// The mandate changes with this plan.
    moved: bool,
}

/// A desk as it will be.
#[derive(Debug, Clone)]
struct Desk {
    id: DeskId,
    administration: Option<AdministrationId>,
    name: String,
    tenants: BTreeSet<TenantId>,
    /// Tenants it no longer serves with this plan.
    left: BTreeSet<TenantId>,
}

struct Planner<'a> {
    basis: &'a Basis<'a>,
    out: Plan,
    mistakes: Vec<Mistake>,
    /// By short name, as they will be.
    administrations: BTreeMap<String, AdministrationId>,
    tenants: BTreeMap<String, Tenant>,
    desks: Vec<Desk>,
    mailboxes: BTreeMap<(TenantId, String), MailboxId>,
    connectors: BTreeMap<(TenantId, String), ConnectorId>,
    /// Who runs the installation afterwards.
    operators: BTreeSet<PrincipalId>,
}

/// Values of the file that may stand there only once, with the place of the first.
type Seen = BTreeMap<String, usize>;

impl<'a> Planner<'a> {
    fn mistake(&mut self, at: Range<usize>, field: &str, problem: impl Into<String>) {
        let line = file::line(self.basis.text, at.start);
        self.mistakes.push(Mistake { line, field: field.to_owned(), problem: problem.into() });
    }

    /// Refuses a value that stands in the file already; true when it is the first.
    fn once(&mut self, seen: &mut Seen, value: &Text, key: String, field: &str) -> bool {
        let Some(first) = seen.get(&key) else {
            seen.insert(key, value.span().start);
            return true;
        };
        let line = file::line(self.basis.text, *first);
        self.mistake(value.span(), field, format!("{:?} steht schon in Zeile {line}", value.get_ref()));
        false
    }

    fn check_slug(&mut self, slug: &Text, field: &str) {
        if !poststelle_hub::directory::slug_fits(slug.get_ref()) {
            let problem = format!(
                "{:?} ist kein Kurzname; erlaubt sind 1 bis 40 Zeichen aus a-z, 0-9 und -, nicht mit - am Anfang",
                slug.get_ref()
            );
            self.mistake(slug.span(), field, problem);
        }
    }

    fn check_name(&mut self, name: &Text, field: &str) {
        if !poststelle_hub::directory::name_fits(name.get_ref()) {
            self.mistake(name.span(), field, "ein Name hat 1 bis 200 Zeichen und keine Steuerzeichen");
        }
    }

    fn done(
        &mut self,
        kind: Kind,
        name: String,
        new: bool,
        at: Range<usize>,
        words: Vec<String>,
        steps: Vec<Step>,
    ) {
        let thing = Thing { kind, name };
        if steps.is_empty() {
            self.out.unchanged.push(thing);
        } else {
            self.out.items.push(Item { thing, new, words, steps, at });
        }
    }

    fn left(&mut self, kind: Kind, name: String) {
        self.out.not_in_file.push(Thing { kind, name });
    }

    /// The Administration with this short name, in the file or there.
    fn administration(&mut self, slug: &Text, field: &str) -> Option<AdministrationId> {
        let found = self.administrations.get(slug.get_ref()).copied();
        if found.is_none() {
            let known = listed(self.administrations.keys());
            let problem = format!("die Verwaltung {:?} gibt es nicht; bekannt sind: {known}", slug.get_ref());
            self.mistake(slug.span(), field, problem);
        }
        found
    }

    /// The tenant with this short name, in the file or there.
    fn tenant(&mut self, slug: &Text, field: &str) -> Option<Tenant> {
        let found = self.tenants.get(slug.get_ref()).cloned();
        if found.is_none() {
            let known = listed(self.tenants.keys());
            let problem = format!("den Mandanten {:?} gibt es nicht; bekannt sind: {known}", slug.get_ref());
            self.mistake(slug.span(), field, problem);
        }
        found
    }

    fn slug_of(&self, id: AdministrationId) -> String {
        let found = self.administrations.iter().find(|(_, a)| **a == id);
        found.map_or_else(|| id.to_string(), |(slug, _)| slug.clone())
    }

    fn tenant_slug(&self, id: TenantId) -> String {
        let found = self.tenants.iter().find(|(_, t)| t.id == id);
        found.map_or_else(|| id.to_string(), |(slug, _)| slug.clone())
    }

    /// A desk by the name people of `tenant` use: `Klärungskorb`, a desk of the Administration with the mandate, or
    /// `<Administration>/<name>`. Whether it serves the tenant is asked apart.
    fn desk(&mut self, tenant: &Tenant, name: &Text, field: &str) -> Option<DeskId> {
        let wanted = name.get_ref();
        if wanted == CLEARING {
            return Some(tenant.clearing);
        }
        let (home, plain) = match wanted.split_once('/') {
            Some((slug, rest)) if self.administrations.contains_key(slug) => {
                (self.administrations.get(slug).copied(), rest)
            }
            _ => (tenant.mandate, wanted.as_str()),
        };
        let same = |d: &&Desk| d.administration == home && d.name == plain;
        let found: Vec<DeskId> = self.desks.iter().filter(same).map(|d| d.id).collect();
        match found.as_slice() {
            [one] => return Some(*one),
            [] => {
                let known: Vec<String> = self
                    .desks
                    .iter()
                    .filter(|d| d.tenants.contains(&tenant.id))
                    .map(|d| self.desk_word(tenant, d.id))
                    .chain([CLEARING.to_owned()])
                    .collect();
                let slug = self.tenant_slug(tenant.id);
                let problem = format!(
                    "den Arbeitskorb {wanted:?} hat {slug} nicht; vorhanden sind: {}",
                    listed(known.iter())
                );
                self.mistake(name.span(), field, problem);
            }
            _ => {
                self.mistake(
                    name.span(),
                    field,
                    format!("der Arbeitskorb {wanted:?} ist mehrfach vorhanden"),
                );
            }
        }
        None
    }

    /// Does a desk serve a tenant, once all is done?
    fn serves(&self, desk: DeskId, tenant: &Tenant) -> bool {
        desk == tenant.clearing || self.desks.iter().any(|d| d.id == desk && d.tenants.contains(&tenant.id))
    }

    /// The name [`Self::desk`] finds a desk by.
    fn desk_word(&self, tenant: &Tenant, id: DeskId) -> String {
        if id == tenant.clearing {
            return CLEARING.to_owned();
        }
        match self.desks.iter().find(|d| d.id == id) {
            Some(d) if d.administration == tenant.mandate => d.name.clone(),
            Some(Desk { administration: Some(home), name, .. }) => {
                format!("{}/{name}", self.slug_of(*home))
            }
            _ => id.to_string(),
        }
    }

    /// Reads a file named in the directory file; line ends at its end are cut.
    fn read(&mut self, path: &Text, field: &str) -> Option<SecretString> {
        let full: PathBuf = self.basis.dir.join(path.get_ref());
        match std::fs::read_to_string(&full) {
            Ok(text) => Some(SecretString::from(text.trim_end_matches(['\r', '\n']))),
            Err(error) => {
                let problem = format!("die Datei {} ist nicht lesbar: {error}", full.display());
                self.mistake(path.span(), field, problem);
                None
            }
        }
    }

    /// What is there and not in the file.
    fn left_alone(&mut self) {
        let (file, there) = (self.basis.file, self.basis.there);
        for a in &there.administrations {
            let named = file.administrations.iter().find(|x| *x.slug.get_ref() == a.slug);
            if named.is_none() {
                self.left(Kind::Administration, a.slug.clone());
            }
            for d in there.desks.iter().filter(|d| d.administration == Some(a.id)) {
                if !named.is_some_and(|x| x.desks.iter().any(|y| *y.name.get_ref() == d.name)) {
                    self.left(Kind::Desk, format!("{} / {}", a.slug, d.name));
                }
            }
        }
        for t in there.tenants.iter().filter(|t| !t.id.is_system()) {
            let Some(named) = file.tenants.iter().find(|x| *x.slug.get_ref() == t.slug) else {
                self.left(Kind::Tenant, t.slug.clone());
                continue;
            };
            let named_address = |a: &str| {
                named.mailboxes.iter().flat_map(|m| &m.addresses).any(|x| x.get_ref().to_lowercase() == a)
            };
            for (id, name) in &t.mailboxes {
                if !named.mailboxes.iter().any(|m| m.name.get_ref() == name) {
                    self.left(Kind::Mailbox, format!("{} / {name}", t.slug));
                }
                for (_, address, _) in t.addresses.iter().filter(|(_, a, m)| m == id && !named_address(a)) {
                    self.left(Kind::Address, format!("{} / {address}", t.slug));
                }
            }
            for c in &t.connectors {
                if !named.connectors.iter().any(|x| *x.name.get_ref() == c.name) {
                    self.left(Kind::Connector, format!("{} / {}", t.slug, c.name));
                }
            }
            for r in &t.rules {
                if !named.rules.iter().any(|x| *x.name.get_ref() == r.name) {
                    self.left(Kind::Rule, format!("{} / {}", t.slug, r.name));
                }
            }
        }
        for p in &there.principals {
            let logins: Vec<&Text> = match p.kind.as_str() {
                "service" => file.services.iter().map(|s| &s.login).collect(),
                _ => file.people.iter().map(|s| &s.login).collect(),
            };
            if !logins.iter().any(|l| l.get_ref().to_lowercase() == p.login) {
                self.left(if p.kind == "service" { Kind::Service } else { Kind::Person }, p.login.clone());
            }
        }
    }
}

/// Names with commas; a dash when there are none.
fn listed<'s>(names: impl Iterator<Item = &'s String>) -> String {
    let list: Vec<&str> = names.map(String::as_str).collect();
    if list.is_empty() { "–".to_owned() } else { list.join(", ") }
}
