// SPDX-License-Identifier: EUPL-1.2
//! Every kind of mistake in a directory file is named with its line, and nothing of the file is applied.

use super::house::House;
use super::village;
use crate::place::{self, Kind};

/// What is put in place of what, and what must be said: line text, field, words.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    // Unknown and missing fields, wrong types, broken TOML.
    ("slug = \"dorf\"", "slug = \"dorf\"\nfarbe = 1", "farbe", "erlaubt sind: slug, name, administration"),
    ("name = \"Gemeinde Dorf\"\n", "", "name", "fehlt"),
    ("name = \"Gemeinde Dorf\"", "name = 7", "", "erwartet: a string"),
    ("slug = \"dorf\"", "slug = \"dorf", "", "kein gültiges TOML"),
    // Names.
    ("slug = \"dorf\"", "slug = \"Dorf!\"", "tenant.slug", "1 bis 40 Zeichen aus a-z"),
    ("slug = \"dorf\"", "slug = \"system\"", "tenant.slug", "hat die Poststelle selbst"),
    ("name = \"Gemeinde Dorf\"", "name = \"\"", "tenant.name", "1 bis 200 Zeichen"),
    ("slug = \"amt-neu\"", "slug = \"amt-alt\"", "administration.slug", "steht schon in Zeile"),
    ("login = \"nele.neu\"", "login = \"anna.alt\"", "person.login", "steht schon in Zeile"),
    ("login = \"nele.neu\"", "login = \"nele neu\"", "person.login", "ohne Leerzeichen"),
    ("login = \"online.dorf\"", "login = \"betrieb\"", "service.login", "steht schon in Zeile"),
    // References.
    (
        "tenants = [\"dorf\"]\n\n[[administration]]",
        "tenants = [\"burg\"]\n\n[[administration]]",
        "administration.desk.tenants",
        "bekannt sind: dorf, stadt",
    ),
    (
        "administration = \"amt-alt\"\n\n[[tenant.mailbox]]",
        "administration = \"amt-x\"\n\n[[tenant.mailbox]]",
        "tenant.administration",
        "bekannt sind: amt-alt, amt-neu",
    ),
    (
        "desk = \"Poststelle\"",
        "desk = \"Bauamt\"",
        "tenant.rule.actions.desk",
        "vorhanden sind: Poststelle, Klärungskorb",
    ),
    ("desk = \"Poststelle\"", "desk = \"amt-neu/Poststelle\"", "tenant.rule.actions.desk", "hat dorf nicht"),
    (
        "connector = \"Bauverfahren\"",
        "connector = \"Wasser\"",
        "tenant.rule.actions.connector",
        "vorhanden sind: Bauverfahren",
    ),
    (
        "name = \"Amt Neu\"",
        "name = \"Amt Neu\"\n[[administration.desk]]\nname = \"Post\"\ntenants = [\"dorf\"]",
        "administration.desk.tenants",
        "hat kein Mandat für dorf",
    ),
    (
        "name = \"Poststelle\"\ntenants",
        "name = \"Klärungskorb\"\ntenants",
        "administration.desk.name",
        "hat jeder Mandant schon",
    ),
    // Addresses.
    ("post@dorf.example", "post(at)dorf.example", "tenant.mailbox.addresses", "keine E-Mail-Adresse"),
    ("Info@Dorf.example", "post@dorf.example", "tenant.mailbox.addresses", "steht schon in Zeile"),
    (
        "post@dorf.example",
        "postmaster@post.beispiel.example",
        "tenant.mailbox.addresses",
        "gehört schon der Poststelle selbst",
    ),
    (
        "post@dorf.example",
        "b-1@post.beispiel.example",
        "tenant.mailbox.addresses",
        "benutzt die Poststelle selbst",
    ),
    (
        "post@dorf.example",
        "post@stadt.example",
        "tenant.mailbox.addresses",
        "gehört schon dem Mandanten stadt",
    ),
    // Connectors.
    ("kind = \"hot_folder\"", "kind = \"ftp\"", "tenant.connector.kind", "erlaubt sind: hot_folder, webhook"),
    ("config = { path = ", "config = { pfad = ", "tenant.connector.config", "pfad"),
    ("config = { path = '/", "config = { path = './", "tenant.connector.config", "not absolute"),
    (
        "kind = \"hot_folder\"",
        "kind = \"hot_folder\"\nsecret_env = \"EINWOHNERWESEN_GEHEIMNIS\"",
        "tenant.connector.secret_env",
        "braucht kein Geheimnis",
    ),
    ("kind = \"hot_folder\"", "kind = \"webhook\"", "tenant.connector", "braucht ein Geheimnis"),
    (
        "kind = \"hot_folder\"",
        "kind = \"webhook\"\nsecret_env = \"GIBT_ES_NICHT\"",
        "tenant.connector.secret_env",
        "nicht gesetzt",
    ),
    (
        "kind = \"hot_folder\"",
        "kind = \"webhook\"\nsecret_file = \"gibt-es-nicht\"",
        "tenant.connector.secret_file",
        "nicht lesbar",
    ),
    (
        "kind = \"hot_folder\"",
        "kind = \"webhook\"\nsecret_file = \"kurz\"",
        "tenant.connector.secret_file",
        "mindestens 16 Zeichen",
    ),
    // Rules.
    (
        "'msg.subject.contains(\"Bauantrag\")'",
        "'msg.subject.contains('",
        "tenant.rule.condition",
        "keine gültige Bedingung",
    ),
    (
        "'msg.subject.contains(\"Bauantrag\")'",
        "'msg.betreff == \"x\"'",
        "tenant.rule.condition",
        "Beispielnachricht",
    ),
    (
        "do = \"to_connector\"",
        "do = \"delete\"",
        "tenant.rule.actions.do",
        "erlaubt sind: to_desk, copy_to_desk",
    ),
    (
        "{ do = \"copy_to_desk\", desk = \"Poststelle\" }",
        "{ do = \"copy_to_desk\" }",
        "tenant.rule.actions",
        "braucht desk",
    ),
    (
        "{ do = \"copy_to_desk\", desk = \"Poststelle\" }",
        "{ do = \"priority\", desk = \"Poststelle\" }",
        "tenant.rule.actions.desk",
        "kein Feld desk",
    ),
    (
        "{ do = \"copy_to_desk\", desk = \"Poststelle\" }",
        "{ do = \"to_address\", address = \"x\" }",
        "tenant.rule.actions.address",
        "keine E-Mail-Adresse",
    ),
    // People.
    (
        "role = \"clerk\"",
        "role = \"chef\"",
        "person.roles.role",
        "erlaubt sind: operator, tenant_admin, clerk",
    ),
    ("tenants = [\"*\"]", "tenants = []", "person.roles.tenants", "braucht tenants"),
    ("tenants = [\"*\"]", "tenants = [\"dorf\"], desk = \"Bauamt\"", "person.roles.desk", "hat dorf nicht"),
    (
        "tenants = [\"*\"]",
        "tenants = [\"dorf\"], mailbox = \"Bauamt\"",
        "person.roles.mailbox",
        "vorhanden sind: Poststelle",
    ),
    (
        "administration = \"amt-neu\"\nroles = []",
        "administration = \"amt-neu\"\nroles = [{ role = \"clerk\", tenants = [\"dorf\"] }]",
        "person.roles",
        "hat kein Mandat für dorf",
    ),
    (
        "administration = \"amt-neu\"\nroles = []",
        "roles = [{ role = \"clerk\", tenants = [\"dorf\"] }]",
        "person.roles",
        "braucht administration",
    ),
    (
        "role = \"clerk\", tenants = [\"*\"]",
        "role = \"tenant_admin\", tenants = [\"dorf\"], desk = \"Poststelle\"",
        "person.roles",
        "nicht an einem einzelnen Ort",
    ),
    (
        "role = \"operator\"",
        "role = \"operator\", tenants = [\"dorf\"]",
        "person.roles.role",
        "ganze Installation",
    ),
    ("roles = [{ role = \"operator\" }]", "roles = []", "person.roles", "niemand mehr die Rolle operator"),
    ("role = \"intake\", tenants = [\"dorf\"]", "role = \"operator\"", "service.roles.role", "nur Personen"),
    (
        "administration = \"amt-neu\"\nroles = []",
        "administration = \"amt-neu\"\nroles = []\npassword_file = \"kurz\"",
        "person.password_file",
        "weniger als 12 Zeichen",
    ),
];

const STADT: &str = "[[administration]]\nslug = \"stadt\"\nname = \"Stadt\"\n\n[[tenant]]\nslug = \"stadt\"\nname = \"Stadt\"\n\
    administration = \"stadt\"\n\n[[tenant.mailbox]]\nname = \"Post\"\naddresses = [\"post@stadt.example\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_mistake_changes_nothing() {
    let house = House::founded(Kind::Sqlite).await;
    house.apply(STADT);
    std::fs::write(house.path("kurz"), "kurz").unwrap();
    let folder = house.path("uebergabe");
    std::fs::create_dir(&folder).unwrap();
    let fine = village(&folder);
    let before = (house.fine(&["directory", "show"]), house.json(&["verify"])["tenants"].clone());
    let mut failed = Vec::new();
    for (from, to, field, words) in CASES {
        let wrong = fine.replacen(from, to, 1);
        assert_ne!(wrong, fine, "{from}");
        let file = house.write(&wrong);
        let output = house.run(&["directory", "apply", &file, "--json"], "");
        assert!(!output.status.success(), "{to}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mistakes = report["mistakes"].as_array().unwrap();
        let named =
            mistakes.iter().find(|m| m["field"] == *field && m["problem"].as_str().unwrap().contains(words));
        let Some(named) = named else {
            failed.push(format!("{to}: {report:#}"));
            continue;
        };
        // The line is the one that was changed, or the one that names the thing it belongs to.
        let line = named["line"].as_u64().unwrap();
        let same = fine.bytes().zip(wrong.bytes()).take_while(|(a, b)| a == b).count();
        let at = 1 + wrong.bytes().take(same).filter(|b| *b == b'\n').count() as u64;
        if line.abs_diff(at) > 3 {
            failed.push(format!("{to}: line {line}, changed in {at}"));
        }
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("Zeile {line}")) && said.contains("Nichts wurde geändert"), "{said}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(before, (house.fine(&["directory", "show"]), house.json(&["verify"])["tenants"].clone()));
    // All mistakes are named at once.
    let two = fine
        .replace("role = \"clerk\"", "role = \"chef\"")
        .replace("kind = \"hot_folder\"", "kind = \"ftp\"");
    let said = house.refused(&["directory", "apply", &house.write(&two)]);
    assert!(said.contains("chef") && said.contains("ftp"), "{said}");
    // What is there already cannot become something else.
    house.apply(&fine);
    for (from, to, words) in [
        (
            "[[service]]\nlogin = \"online.dorf\"",
            "[[person]]\nlogin = \"online.dorf\"",
            "gibt es schon, und zwar als ein Dienst",
        ),
        (
            "kind = \"hot_folder\"",
            "kind = \"webhook\"\nsecret_env = \"EINWOHNERWESEN_GEHEIMNIS\"",
            "die Art eines Übergabeziels ändert sich nicht",
        ),
        (
            "tenants = [\"dorf\"]\n\n[[administration]]",
            "tenants = []\n\n[[administration]]",
            "der dorf nicht dient",
        ),
    ] {
        let said = house.refused(&["directory", "apply", &house.write(&fine.replacen(from, to, 1))]);
        assert!(said.contains(words), "{said}");
    }
    let report = house.apply(&fine);
    assert_eq!(super::names(&report, "changed"), Vec::<String>::new());
}

/// Two operators at once, each with a file of his own: both get what they wrote or are told to try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_operators_at_once_leave_no_half_and_no_double() {
    for kind in place::kinds() {
        let house = std::sync::Arc::new(House::founded(kind).await);
        let runs: Vec<_> = (0..3)
            .map(|n| {
                let house = std::sync::Arc::clone(&house);
                tokio::task::spawn_blocking(move || {
                    let path = house.path(&format!("{n}.toml"));
                    std::fs::write(&path, STADT).unwrap();
                    let output = house.run(&["directory", "apply", path.to_str().unwrap()], "");
                    (output.status.success(), String::from_utf8(output.stderr).unwrap())
                })
            })
            .collect();
        let mut fine = 0;
        for run in runs {
            let (ok, said) = run.await.unwrap();
            assert!(ok || said.contains("noch einmal"), "{said}");
            fine += usize::from(ok);
        }
        assert!(fine >= 1);
        let report = house.apply(STADT);
        assert_eq!(super::names(&report, "created"), Vec::<String>::new(), "{report}");
        assert_eq!(house.json(&["verify"])["ok"], true);
    }
}
