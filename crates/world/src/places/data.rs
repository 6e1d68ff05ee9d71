// SPDX-License-Identifier: EUPL-1.2
//! Who is who in the demo, as plain data.

/// Who works.
#[derive(Debug, Clone, Copy)]
pub struct AdministrationData {
    /// Short name.
    pub slug: &'static str,
    /// Name.
    pub name: &'static str,
    /// For whom it works.
    pub tenants: &'static [TenantData],
    /// Its desks.
    pub desks: &'static [&'static str],
    /// Its people.
    pub people: &'static [PersonData],
}

/// A legal entity.
#[derive(Debug, Clone, Copy)]
pub struct TenantData {
    /// Short name; `<slug>.example` is its domain.
    pub slug: &'static str,
    /// Name.
    pub name: &'static str,
    /// Its mailboxes.
    pub mailboxes: &'static [MailboxData],
    /// Specialist applications with a hot folder.
    pub applications: &'static [&'static str],
}

/// A mailbox.
#[derive(Debug, Clone, Copy)]
pub struct MailboxData {
    /// Name.
    pub name: &'static str,
    /// What stands before the @.
    pub locals: &'static [&'static str],
    /// A second person releases what leaves from here.
    pub four_eyes: bool,
}

/// Somebody.
#[derive(Debug, Clone, Copy)]
pub struct PersonData {
    /// Sign-in name.
    pub login: &'static str,
    /// Name, invented.
    pub name: &'static str,
    /// What they may.
    pub post: Post,
}

/// What people of the demo may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// Runs rules, people, connectors of all tenants of the Administration.
    Admin,
    /// Works with all mail of all tenants of the Administration.
    Clerk,
    /// Works with the mail of one desk.
    AtDesk(&'static str),
    /// Reads mail and proofs.
    Auditor,
}

/// Name of the building application.
pub const BUILDING: &str = "Bauverfahren";
/// Name of the registration application.
pub const RESIDENTS: &str = "Einwohnerwesen";

const fn mailbox(name: &'static str, locals: &'static [&'static str]) -> MailboxData {
    MailboxData { name, locals, four_eyes: false }
}

const POST: MailboxData = mailbox("Poststelle", &["poststelle", "info", "post"]);
const MAYOR: MailboxData = MailboxData { four_eyes: true, ..mailbox("Bürgermeister", &["buergermeister"]) };
const BUILD: MailboxData = mailbox("Bauamt", &["bauamt", "bauleitplanung"]);
const ORDER: MailboxData = mailbox("Ordnungsamt", &["ordnungsamt"]);
const REGISTRY: MailboxData = mailbox("Standesamt", &["standesamt"]);
const RESIDENCE: MailboxData = mailbox("Meldebehörde", &["meldebehoerde", "buergerbuero"]);
const TREASURY: MailboxData = mailbox("Kämmerei", &["kaemmerei", "rechnung"]);

const LARGE: &[MailboxData] = &[POST, BUILD, ORDER, REGISTRY, RESIDENCE, TREASURY];
const SMALL: &[MailboxData] = &[POST, MAYOR];

const DESKS: &[&str] =
    &["Poststelle", "Bauamt", "Ordnungsamt", "Standesamt", "Bürgerbüro", "Kämmerei", "Rechtsamt"];

const fn village(slug: &'static str, name: &'static str) -> TenantData {
    TenantData { slug, name, mailboxes: SMALL, applications: &[] }
}

const fn person(login: &'static str, name: &'static str, post: Post) -> PersonData {
    PersonData { login, name, post }
}

/// All Administrations of the demo.
pub const ADMINISTRATIONS: &[AdministrationData] = &[
    AdministrationData {
        slug: "amt-zarrentin",
        name: "Amt Zarrentin",
        tenants: &[
            TenantData {
                slug: "amt-zarrentin",
                name: "Amt Zarrentin",
                mailboxes: LARGE,
                applications: &[BUILDING, RESIDENTS],
            },
            village("zarrentin-am-schaalsee", "Stadt Zarrentin am Schaalsee"),
            village("gallin", "Gemeinde Gallin"),
            village("kogel", "Gemeinde Kogel"),
            village("luettow-valluhn", "Gemeinde Lüttow-Valluhn"),
            village("vellahn", "Gemeinde Vellahn"),
        ],
        desks: &["Poststelle", "Bauamt", "Ordnungsamt", "Bürgerbüro", "Kämmerei"],
        people: &[
            person("wilma.beispiel", "Wilma Beispiel", Post::Clerk),
            person("jule.vorlage", "Jule Vorlage", Post::Clerk),
            person("hinnerk.muster", "Hinnerk Muster", Post::Admin),
        ],
    },
    AdministrationData {
        slug: "waren-mueritz",
        name: "Stadt Waren (Müritz)",
        tenants: &[TenantData {
            slug: "waren-mueritz",
            name: "Stadt Waren (Müritz)",
            mailboxes: LARGE,
            applications: &[BUILDING, RESIDENTS],
        }],
        desks: DESKS,
        people: &[
            person("frauke.probe", "Frauke Probe", Post::Clerk),
            person("fiete.vordruck", "Fiete Vordruck", Post::AtDesk("Bauamt")),
            person("antje.platzhalter", "Antje Platzhalter", Post::Admin),
        ],
    },
    AdministrationData {
        slug: "rostock",
        name: "Hanse- und Universitätsstadt Rostock",
        tenants: &[TenantData {
            slug: "rostock",
            name: "Hanse- und Universitätsstadt Rostock",
            mailboxes: LARGE,
            applications: &[BUILDING],
        }],
        desks: DESKS,
        people: &[
            person("swantje.exempel", "Swantje Exempel", Post::Clerk),
            person("malte.fiktiv", "Malte Fiktiv", Post::Admin),
            person("baerbel.vorbild", "Bärbel Vorbild", Post::Auditor),
        ],
    },
    AdministrationData {
        slug: "vorpommern-greifswald",
        name: "Landkreis Vorpommern-Greifswald",
        tenants: &[TenantData {
            slug: "vorpommern-greifswald",
            name: "Landkreis Vorpommern-Greifswald",
            mailboxes: LARGE,
            applications: &[BUILDING],
        }],
        desks: DESKS,
        people: &[
            person("grit.jedermann", "Grit Jedermann", Post::Clerk),
            person("hauke.strohmann", "Hauke Strohmann", Post::Admin),
        ],
    },
    AdministrationData {
        slug: "amt-malchin",
        name: "Amt Malchin am Kummerower See",
        tenants: &[
            TenantData {
                slug: "malchin",
                name: "Stadt Malchin",
                mailboxes: LARGE,
                applications: &[RESIDENTS],
            },
            village("basedow", "Gemeinde Basedow"),
            village("gielow", "Gemeinde Gielow"),
            village("kummerow", "Gemeinde Kummerow"),
            village("neukalen", "Stadt Neukalen"),
        ],
        desks: &["Poststelle", "Bauamt", "Ordnungsamt", "Standesamt", "Bürgerbüro", "Kämmerei"],
        people: &[
            person("kaethe.niemand", "Käthe Niemand", Post::Clerk),
            person("joerg.testmann", "Jörg Testmann", Post::Admin),
        ],
    },
];

/// Sign-in name and name of the operator.
pub const OPERATOR: (&str, &str) = ("betrieb", "Rechenzentrum (Betrieb)");
/// Tenant whose REST intake gets a token.
pub const INTAKE_TENANT: &str = "rostock";
/// Sign-in name and name of the service behind the token.
pub const INTAKE: (&str, &str) = ("onlinedienst.rostock", "Online-Dienst Bauantrag");
/// Tenant whose rules send mail on to others.
pub const FORWARDING_TENANT: &str = "waren-mueritz";

/// A rule that sends mail on: word in the subject, name of the rule, address.
pub type Forward = (&'static str, &'static str, &'static str);

/// Goes on and is reported as delivered.
pub const FORWARD_DELIVERED: Forward =
    ("Katasterauszug", "Katasterauszüge an das Katasteramt", "zustellbar@kataster.example");
/// Goes on and is reported as failed.
pub const FORWARD_FAILED: Forward =
    ("Wasseranschluss", "Wasseranschlüsse an den Zweckverband", "unbekannt@zweckverband.example");
/// Goes on and is reported as delayed.
pub const FORWARD_DELAYED: Forward =
    ("Fischereischein", "Fischereischeine an das Landesamt", "verzoegert@landesamt.example");
/// Goes on to a server that is sometimes away.
pub const FORWARD_AWAY: Forward =
    ("Straßenlaterne", "Störungen der Straßenbeleuchtung an die Stadtwerke", "leitstelle@stadtwerke.example");

/// All rules that send on.
pub const FORWARDS: [Forward; 4] = [FORWARD_DELIVERED, FORWARD_FAILED, FORWARD_DELAYED, FORWARD_AWAY];
