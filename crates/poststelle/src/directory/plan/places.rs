// SPDX-License-Identifier: EUPL-1.2
//! Administrations, tenants with their mandate, desks, mailboxes with addresses.

use poststelle_hub::directory::address_fits;
use poststelle_model::{AdministrationId, ChannelKind, DeskId, MailboxId, TenantId};

use super::{CLEARING, Desk, Kind, Planner, Seen, Step, Tenant};

impl Planner<'_> {
    pub(super) fn administrations(&mut self) {
        let basis = self.basis;
        for a in &basis.there.administrations {
            self.administrations.insert(a.slug.clone(), a.id);
        }
        let mut seen = Seen::new();
        for a in &basis.file.administrations {
            self.check_slug(&a.slug, "administration.slug");
            self.check_name(&a.name, "administration.name");
            let (slug, name) = (a.slug.get_ref(), a.name.get_ref());
            if !self.once(&mut seen, &a.slug, slug.clone(), "administration.slug") {
                continue;
            }
            let (mut words, mut steps) = (Vec::new(), Vec::new());
            let known = basis.there.administrations.iter().find(|x| x.slug == *slug);
            match known {
                None => {
                    let id = AdministrationId::new(basis.ids);
                    self.administrations.insert(slug.clone(), id);
                    words.push(format!("„{name}“"));
                    steps.push(Step::AddAdministration { id, slug: slug.clone(), name: name.clone() });
                }
                Some(known) if known.name != *name => {
                    words.push(format!("Name: „{}“ → „{name}“", known.name));
                    steps.push(Step::RenameAdministration { id: known.id, name: name.clone() });
                }
                Some(_) => {}
            }
            self.done(Kind::Administration, slug.clone(), known.is_none(), a.slug.span(), words, steps);
        }
    }

    pub(super) fn tenants(&mut self) {
        let basis = self.basis;
        for t in basis.there.tenants.iter().filter(|t| !t.id.is_system()) {
            let row = Tenant { id: t.id, clearing: t.clearing, mandate: t.mandate, moved: false };
            self.tenants.insert(t.slug.clone(), row);
        }
        let mut seen = Seen::new();
        for t in &basis.file.tenants {
            self.check_slug(&t.slug, "tenant.slug");
            self.check_name(&t.name, "tenant.name");
            let (slug, name) = (t.slug.get_ref(), t.name.get_ref());
            if !self.once(&mut seen, &t.slug, slug.clone(), "tenant.slug") {
                continue;
            }
            let known = basis.there.tenants.iter().find(|x| x.slug == *slug);
            if known.is_some_and(|k| k.id.is_system()) {
                let problem =
                    "diesen Mandanten hat die Poststelle selbst; bitte einen anderen Kurznamen wählen";
                self.mistake(t.slug.span(), "tenant.slug", problem);
                continue;
            }
            let (mut words, mut steps) = (Vec::new(), Vec::new());
            let mut row = match known {
                Some(known) => {
                    if known.name != *name {
                        words.push(format!("Name: „{}“ → „{name}“", known.name));
                        steps.push(Step::RenameTenant { id: known.id, name: name.clone() });
                    }
                    Tenant { id: known.id, clearing: known.clearing, mandate: known.mandate, moved: false }
                }
                None => {
                    let (id, clearing) = (TenantId::new(basis.ids), DeskId::new(basis.ids));
                    words.push(format!("„{name}“"));
                    steps.push(Step::AddTenant { id, clearing, slug: slug.clone(), name: name.clone() });
                    Tenant { id, clearing, mandate: None, moved: false }
                }
            };
            let wanted =
                t.administration.as_ref().and_then(|a| self.administration(a, "tenant.administration"));
            if let Some(administration) = wanted.filter(|w| row.mandate != Some(*w)) {
                let new = self.slug_of(administration);
                words.push(match row.mandate {
                    None => format!("Mandat: {new}"),
                    Some(old) => {
                        format!("Mandat: {} → {new} (Post und Nachweise bleiben)", self.slug_of(old))
                    }
                });
                steps.push(Step::GiveMandate { tenant: row.id, administration });
                row.mandate = Some(administration);
                row.moved = known.is_some();
            }
            if row.mandate.is_none() && t.administration.is_none() {
                self.out.notices.push(format!(
                    "Für den Mandanten {slug} hat keine Verwaltung ein Mandat: niemand kann seine Post bearbeiten."
                ));
            }
            self.tenants.insert(slug.clone(), row);
            self.done(Kind::Tenant, slug.clone(), known.is_none(), t.slug.span(), words, steps);
        }
    }

    pub(super) fn desks(&mut self) {
        let basis = self.basis;
        for d in &basis.there.desks {
            self.desks.push(Desk {
                id: d.id,
                administration: d.administration,
                name: d.name.clone(),
                tenants: d.tenants.clone(),
                left: Default::default(),
            });
        }
        let mut seen = Seen::new();
        for a in &basis.file.administrations {
            let Some(home) = self.administrations.get(a.slug.get_ref()).copied() else { continue };
            for d in &a.desks {
                self.check_name(&d.name, "administration.desk.name");
                let name = d.name.get_ref();
                if name == CLEARING {
                    let problem =
                        format!("einen {CLEARING} hat jeder Mandant schon; bitte einen anderen Namen wählen");
                    self.mistake(d.name.span(), "administration.desk.name", problem);
                    continue;
                }
                if !self.once(&mut seen, &d.name, format!("{home}/{name}"), "administration.desk.name") {
                    continue;
                }
                let mut tenants = Vec::new();
                for t in &d.tenants {
                    let Some(tenant) = self.tenant(t, "administration.desk.tenants") else { continue };
                    if !tenants.contains(&tenant.id) {
                        tenants.push(tenant.id);
                    }
                    if tenant.mandate == Some(home) {
                        continue;
                    }
                    let served = self.desks.iter().any(|x| {
                        x.administration == Some(home) && x.name == *name && x.tenants.contains(&tenant.id)
                    });
                    let words = format!("{} hat kein Mandat für {}", a.slug.get_ref(), t.get_ref());
                    if served {
                        self.out.notices.push(format!(
                            "Arbeitskorb {} / {name}: {words}; er bekommt von dort nichts mehr zu tun.",
                            a.slug.get_ref()
                        ));
                    } else {
                        let problem =
                            format!("{words}; ein Arbeitskorb dient nur Mandanten seiner Verwaltung");
                        self.mistake(t.span(), "administration.desk.tenants", problem);
                    }
                }
                self.desk_as_written(home, a.slug.get_ref(), d, tenants);
            }
        }
    }

    fn desk_as_written(
        &mut self,
        home: AdministrationId,
        slug: &str,
        written: &super::file::Desk,
        tenants: Vec<TenantId>,
    ) {
        let (name, span) = (written.name.get_ref().clone(), written.name.span());
        let shown = format!("{slug} / {name}");
        let same: Vec<usize> = (0..self.desks.len())
            .filter(|i| self.desks.get(*i).is_some_and(|d| d.administration == Some(home) && d.name == name))
            .collect();
        let (mut words, mut steps) = (Vec::new(), Vec::new());
        match same.as_slice() {
            [] => {
                let id = DeskId::new(self.basis.ids);
                let slugs: Vec<String> = tenants.iter().map(|t| self.tenant_slug(*t)).collect();
                words.push(format!("für {}", super::listed(slugs.iter())));
                self.desks.push(Desk {
                    id,
                    administration: Some(home),
                    name: name.clone(),
                    tenants: tenants.iter().copied().collect(),
                    left: Default::default(),
                });
                steps.push(Step::AddDesk { administration: home, id, name, tenants });
            }
            [at] => {
                let Some(mut desk) = self.desks.get(*at).cloned() else { return };
                for tenant in &tenants {
                    if desk.tenants.insert(*tenant) {
                        words.push(format!("dient jetzt auch {}", self.tenant_slug(*tenant)));
                        steps.push(Step::SetDeskTenant { desk: desk.id, tenant: *tenant, on: true });
                    }
                }
                for tenant in desk.tenants.clone() {
                    if !tenants.contains(&tenant) {
                        desk.tenants.remove(&tenant);
                        desk.left.insert(tenant);
                        words.push(format!("dient {} nicht mehr", self.tenant_slug(tenant)));
                        steps.push(Step::SetDeskTenant { desk: desk.id, tenant, on: false });
                    }
                }
                if let Some(place) = self.desks.get_mut(*at) {
                    *place = desk;
                }
            }
            _ => {
                let problem =
                    format!("{shown} gibt es in der Datenbank mehrfach; das lässt sich hier nicht ändern");
                return self.mistake(span, "administration.desk.name", problem);
            }
        }
        self.done(Kind::Desk, shown, same.is_empty(), span, words, steps);
    }

    pub(super) fn mailboxes(&mut self) {
        let basis = self.basis;
        for t in &basis.there.tenants {
            for (id, name) in &t.mailboxes {
                self.mailboxes.insert((t.id, name.clone()), *id);
            }
        }
        let (mut seen, mut seen_addresses) = (Seen::new(), Seen::new());
        for t in &basis.file.tenants {
            let slug = t.slug.get_ref();
            let Some(tenant) = self.tenants.get(slug).cloned() else { continue };
            for m in &t.mailboxes {
                self.check_name(&m.name, "tenant.mailbox.name");
                let name = m.name.get_ref();
                let shown = format!("{slug} / {name}");
                if !self.once(&mut seen, &m.name, shown.clone(), "tenant.mailbox.name") {
                    continue;
                }
                let known = basis.there.tenant(tenant.id).map(|k| &k.mailboxes);
                if known.is_some_and(|k| k.iter().filter(|(_, n)| n == name).count() > 1) {
                    let problem = format!(
                        "{shown} gibt es in der Datenbank mehrfach; das lässt sich hier nicht ändern"
                    );
                    self.mistake(m.name.span(), "tenant.mailbox.name", problem);
                    continue;
                }
                let (mut words, mut steps) = (Vec::new(), Vec::new());
                let there = self.mailboxes.get(&(tenant.id, name.clone())).copied();
                let id = there.unwrap_or_else(|| MailboxId::new(basis.ids));
                if there.is_none() {
                    self.mailboxes.insert((tenant.id, name.clone()), id);
                    steps.push(Step::AddMailbox { tenant: tenant.id, id, name: name.clone() });
                }
                let now = basis.there.tenant(tenant.id).is_some_and(|k| k.four_eyes.contains(&id));
                if let Some(on) = m.four_eyes.filter(|on| *on != now) {
                    words.push(if on { "vier Augen" } else { "ohne vier Augen" }.to_owned());
                    steps.push(Step::SetFourEyes { tenant: tenant.id, id, on });
                }
                for address in &m.addresses {
                    let lower = address.get_ref().to_lowercase();
                    if self.once(&mut seen_addresses, address, lower, "tenant.mailbox.addresses") {
                        self.address(&tenant, id, address, &mut words, &mut steps);
                    }
                }
                self.done(Kind::Mailbox, shown, there.is_none(), m.name.span(), words, steps);
            }
        }
    }

    fn address(
        &mut self,
        tenant: &Tenant,
        mailbox: MailboxId,
        written: &super::Text,
        words: &mut Vec<String>,
        steps: &mut Vec<Step>,
    ) {
        const FIELD: &str = "tenant.mailbox.addresses";
        let address = written.get_ref().to_lowercase();
        if !address_fits(ChannelKind::Mail, &address) {
            let problem =
                format!("{:?} ist keine E-Mail-Adresse (name@domäne, ohne Leerzeichen)", written.get_ref());
            return self.mistake(written.span(), FIELD, problem);
        }
        // Return addresses of the house: mail to them never reaches a mailbox.
        if address.starts_with("b-") && address.ends_with(&format!("@{}", self.basis.domain.to_lowercase())) {
            let problem = format!("Adressen b-…@{} benutzt die Poststelle selbst", self.basis.domain);
            return self.mistake(written.span(), FIELD, problem);
        }
        let owner = self.basis.there.tenants.iter().find_map(|t| {
            let found = t.addresses.iter().find(|(c, a, _)| *c == ChannelKind::Mail && *a == address);
            found.map(|(_, _, mailbox)| (t, *mailbox))
        });
        match owner {
            None => {
                words.push(format!("Adresse {address}"));
                steps.push(Step::AddAddress { tenant: tenant.id, mailbox, address });
            }
            Some((of, _)) if of.id != tenant.id => {
                let whose = if of.id.is_system() {
                    "der Poststelle selbst".to_owned()
                } else {
                    format!("dem Mandanten {}", of.slug)
                };
                self.mistake(written.span(), FIELD, format!("{address} gehört schon {whose}"));
            }
            Some((_, from)) if from == mailbox => {}
            Some((of, from)) => {
                let old = of.mailboxes.iter().find(|(id, _)| *id == from).map_or("–", |(_, name)| name);
                words.push(format!("Adresse {address} (bisher im Postfach {old})"));
                steps.push(Step::MoveAddress { tenant: tenant.id, from, to: mailbox, address });
            }
        }
    }
}
