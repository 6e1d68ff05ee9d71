// SPDX-License-Identifier: EUPL-1.2
//! An operator sets up a real installation: `init`, `directory`, `person`, `token`, and mail finds its way.

mod house;
mod mistakes;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use self::house::{House, own, until};
use crate::place;

/// The example of the handbook.
pub const EXAMPLE: &str = include_str!("../../../../../docs/src/beispiele/verzeichnis.toml");

/// Two Ämter, a village with a Fachverfahren, a clerk in each Amt.
pub fn village(folder: &Path) -> String {
    format!(
        r#"
[[administration]]
slug = "amt-alt"
name = "Amt Alt"

[[administration.desk]]
name = "Poststelle"
tenants = ["dorf"]

[[administration]]
slug = "amt-neu"
name = "Amt Neu"

[[tenant]]
slug = "dorf"
name = "Gemeinde Dorf"
administration = "amt-alt"

[[tenant.mailbox]]
name = "Poststelle"
addresses = ["post@dorf.example", "Info@Dorf.example"]

[[tenant.connector]]
name = "Bauverfahren"
kind = "hot_folder"
config = {{ path = '{}' }}

[[tenant.rule]]
name = "Bauanträge"
condition = 'msg.subject.contains("Bauantrag")'
actions = [{{ do = "to_connector", connector = "Bauverfahren" }}, {{ do = "copy_to_desk", desk = "Poststelle" }}]

[[person]]
login = "anna.alt"
name = "Anna Alt"
administration = "amt-alt"
roles = [{{ role = "clerk", tenants = ["*"] }}]

[[person]]
login = "nele.neu"
name = "Nele Neu"
administration = "amt-neu"
roles = []

[[person]]
login = "betrieb"
name = "Betrieb"
roles = [{{ role = "operator" }}]

[[service]]
login = "online.dorf"
name = "Online-Dienst"
roles = [{{ role = "intake", tenants = ["dorf"] }}]
"#,
        folder.display()
    )
}

/// Names of one list of a report.
pub fn names(report: &Value, list: &str) -> Vec<String> {
    report[list].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
}

fn password(report: &Value, login: &str) -> String {
    let all = report["passwords"].as_array().unwrap();
    all.iter().find(|p| p["login"] == login).unwrap()["password"].as_str().unwrap().to_owned()
}

fn nothing_to_do(report: &Value) {
    assert_eq!((names(report, "created"), names(report, "changed")), (vec![], vec![]), "{report}");
    assert_eq!(report["passwords"], serde_json::json!([]));
}

/// The messages of a tenant, by subject.
fn message(house: &House, subject: &str) -> Option<String> {
    let list = house.json(&["message", "list", "dorf"]);
    let found = list.as_array().unwrap().iter().find(|m| m["subject"] == subject)?;
    Some(found["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_mail_in_the_right_hands() {
    for kind in place::kinds() {
        let house = House::founded(kind).await;
        let mode = |name: &str| house.path(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("data/root.key"), 0o600);
        // A second init keeps everything and makes no second operator.
        let again = String::from_utf8(house.init(&[]).stdout).unwrap();
        assert!(again.contains("gibt es schon") && !again.contains("Passwort"), "{again}");
        assert!(!house.init(&["--domain", "andere.example"]).status.success());
        nothing_to_do(&house.apply(&std::fs::read_to_string(house.path("verzeichnis.toml")).unwrap()));

        let folder = house.path("uebergabe");
        std::fs::create_dir(&folder).unwrap();
        let file = village(&folder);
        // A dry run says all of it and does none of it.
        let dry = house.json(&["directory", "apply", &house.write(&file), "--dry-run"]);
        assert_eq!(dry["passwords"], serde_json::json!([]));
        let words = house.fine(&["directory", "apply", &house.write(&file), "--dry-run"]);
        assert!(
            words.contains("Würde anlegen (")
                && words.contains("Mandant dorf: „Gemeinde Dorf“; Mandat: amt-alt"),
            "{words}"
        );
        let first = house.apply(&file);
        assert_eq!(names(&dry, "created"), names(&first, "created"), "the dry run changed nothing");
        assert_eq!(names(&first, "changed"), Vec::<String>::new(), "{first}");
        let expected = [
            "amt-alt",
            "amt-neu",
            "dorf",
            "amt-alt / Poststelle",
            "dorf / Poststelle",
            "dorf / Bauverfahren",
            "dorf / Bauanträge",
            "anna.alt",
            "nele.neu",
            "online.dorf",
        ];
        assert_eq!(names(&first, "created"), expected);
        assert_eq!(names(&first, "unchanged"), ["betrieb"]);

        let node = house.serve();
        let replies = node.mail("post@dorf.example", "Bauantrag Dorfstraße");
        assert!(replies[1].starts_with("250"), "{replies:?}");
        assert!(node.mail("niemand@dorf.example", "x")[0].starts_with("550"));
        let package = until("the package", || {
            let visible = |e: &std::fs::DirEntry| !e.file_name().to_string_lossy().starts_with('.');
            std::fs::read_dir(&folder).unwrap().filter_map(Result::ok).find(visible)
        });
        let text = std::fs::read_to_string(package.path().join("message.json")).unwrap();
        assert!(text.contains("Dorfstra"), "{text}");
        let id = until("the message in the list", || message(&house, "Bauantrag Dorfstraße"));
        let list = house.json(&["directory", "show"]);
        let tenant = {
            let db = house.db().await;
            let mut tx = db.read(poststelle_store::Scope::System).await.unwrap();
            let all = poststelle_store::tenants::all(&mut tx).await.unwrap();
            all.iter().find(|t| t.slug == "dorf").unwrap().id
        };
        assert_eq!(list["tenant"][0]["slug"], "dorf");
        let page = format!("/nachrichten/{tenant}/{id}");
        let anna =
            node.first_sign_in("anna.alt", &password(&first, "anna.alt")).expect("the first password works");
        let nele =
            node.first_sign_in("nele.neu", &password(&first, "nele.neu")).expect("the first password works");
        assert!(node.sign_in("anna.alt", "ein falsches Passwort").is_none());
        let betrieb = node.first_sign_in("betrieb", &house.password).expect("the operator gets in");
        assert_eq!(node.page(&betrieb, "/betrieb").0, 200);
        assert_eq!(node.page(&betrieb, &page).0, 404, "operators see no mail");
        let seen = node.page(&anna, &page);
        assert!(seen.0 == 200 && seen.1.contains("Bauantrag Dorfstra"), "{seen:?}");
        assert_eq!(node.page(&nele, &page).0, 404);

        nothing_to_do(&house.apply(&file));
        assert!(house.fine(&["directory", "apply", &house.write(&file)]).contains("Nichts zu tun"));

        // The village changes its Amt. Desks and rules must follow, or nothing happens.
        let moved = file.replace(
            "administration = \"amt-alt\"\n\n[[tenant.mailbox]]",
            "administration = \"amt-neu\"\n\n[[tenant.mailbox]]",
        );
        assert_ne!(moved, file);
        let words = house.refused(&["directory", "apply", &house.write(&moved)]);
        assert!(words.contains("Bauanträge") && words.contains("kein Mandat für dorf"), "{words}");
        nothing_to_do(&house.apply(&file));
        let moved = moved
            .replace("name = \"Amt Neu\"\n", "name = \"Amt Neu\"\n\n[[administration.desk]]\nname = \"Poststelle\"\ntenants = [\"dorf\"]\n")
            .replace("administration = \"amt-neu\"\nroles = []", "administration = \"amt-neu\"\nroles = [{ role = \"clerk\", tenants = [\"*\"] }]");
        let report = house.apply(&moved);
        assert_eq!(names(&report, "created"), ["amt-neu / Poststelle"]);
        assert_eq!(
            names(&report, "changed"),
            ["dorf", "dorf / Bauanträge", "anna.alt", "nele.neu"],
            "{report}"
        );
        assert!(report["changed"].to_string().contains("Mandat: amt-alt → amt-neu"), "{report}");
        let seen = node.page(&nele, &page);
        assert!(seen.0 == 200 && seen.1.contains("Bauantrag Dorfstra"), "{seen:?}");
        assert_eq!(node.page(&anna, &page).0, 404, "the old Amt reads nothing any more");
        assert_eq!(house.json(&["verify"])["ok"], true);
        assert!(node.mail("info@dorf.example", "Bauantrag zwei")[1].starts_with("250"));
        let second = until("the second message", || message(&house, "Bauantrag zwei"));
        assert_eq!(node.page(&nele, &format!("/nachrichten/{tenant}/{second}")).0, 200);
        assert_eq!(house.json(&["balance"])["ok"], true);
        drop(node);
        shown_is_what_is_there(&house);
    }
}

/// What `show` prints, `apply` takes and finds nothing to do.
fn shown_is_what_is_there(house: &House) {
    let shown = house.fine(&["directory", "show"]);
    let report = house.apply(&shown);
    nothing_to_do(&report);
    assert_eq!(names(&report, "not_in_file"), Vec::<String>::new(), "{shown}");
    assert_eq!(house.fine(&["directory", "show"]), shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_handbook_can_be_applied() {
    for kind in place::kinds() {
        let house = House::founded(kind).await;
        let first = house.apply(EXAMPLE);
        assert_eq!(names(&first, "changed"), Vec::<String>::new(), "{first}");
        assert_eq!(names(&first, "created").len(), 26, "{first}");
        // Its folder and its webhook are nowhere here: that is said, and no mistake.
        let notices = first["notices"].to_string();
        assert!(
            notices.contains("/srv/uebergabe") && notices.contains("einwohnerwesen.example"),
            "{notices}"
        );
        nothing_to_do(&house.apply(EXAMPLE));
        shown_is_what_is_there(&house);
        assert!(!house.fine(&["directory", "show"]).contains("Geheimnis für Prüfungen"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_file_changes_is_changed_and_the_rest_stays() {
    for kind in place::kinds() {
        let house = House::founded(kind).await;
        let folder = house.path("uebergabe");
        std::fs::create_dir(&folder).unwrap();
        let file = village(&folder);
        house.apply(&file);
        let other = house.path("anderswo");
        std::fs::create_dir(&other).unwrap();
        let changed = file
            .replace("Gemeinde Dorf", "Gemeinde Dorf am See")
            .replace("Amt Alt\"", "Amt Alt und Umland\"")
            .replace(folder.to_str().unwrap(), other.to_str().unwrap())
            .replace("contains(\"Bauantrag\")", "contains(\"Bau\")")
            .replace("addresses = [\"post@dorf.example\", \"Info@Dorf.example\"]", "addresses = [\"post@dorf.example\"]\n\n[[tenant.mailbox]]\nname = \"Auskunft\"\naddresses = [\"info@dorf.example\"]")
            .replace("name = \"Nele Neu\"", "name = \"Nele Neumann\"");
        let report = house.apply(&changed);
        assert_eq!(names(&report, "created"), ["dorf / Auskunft"]);
        let expected = ["amt-alt", "dorf", "dorf / Bauverfahren", "dorf / Bauanträge", "nele.neu"];
        assert_eq!(names(&report, "changed"), expected, "{report}");
        nothing_to_do(&house.apply(&changed));
        shown_is_what_is_there(&house);
        // What a file does not name stays and is named.
        let part = "[[tenant]]\nslug = \"dorf\"\nname = \"Gemeinde Dorf am See\"\n";
        let report = house.apply(part);
        nothing_to_do(&report);
        let left = names(&report, "not_in_file");
        for name in [
            "amt-alt",
            "amt-alt / Poststelle",
            "dorf / info@dorf.example",
            "dorf / Bauverfahren",
            "dorf / Bauanträge",
            "anna.alt",
            "online.dorf",
        ] {
            assert!(left.contains(&name.to_owned()), "{name}: {left:?}");
        }
        // Evidence names who acted.
        let db = house.db().await;
        let mut tx = db.read(poststelle_store::Scope::System).await.unwrap();
        let dorf = poststelle_store::tenants::all(&mut tx)
            .await
            .unwrap()
            .into_iter()
            .find(|t| t.slug == "dorf")
            .unwrap();
        let chain =
            poststelle_store::evidence::chain(&mut tx, dorf.id, &poststelle_model::Subject::tenant(dorf.id))
                .await
                .unwrap();
        let who: Vec<&str> = chain.iter().map(|e| e.who.as_str()).collect();
        assert_eq!(who, ["house:command line (probe)"; 3], "founded, mandate, new name");
        drop(tx);
        let words = house.refused(&["directory", "apply", &house.write(&file), "--operator", "anna.alt"]);
        assert!(words.contains("operator"), "{words}");
        let back = house.json(&["directory", "apply", &house.write(&file), "--operator", "betrieb"]);
        assert!(names(&back, "changed").contains(&"dorf".to_owned()));
        let mut tx = db.read(poststelle_store::Scope::System).await.unwrap();
        let chain =
            poststelle_store::evidence::chain(&mut tx, dorf.id, &poststelle_model::Subject::tenant(dorf.id))
                .await
                .unwrap();
        assert!(chain.last().unwrap().who.starts_with("principal:"), "{:?}", chain.last());
        assert_eq!(house.json(&["verify"])["ok"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_tokens_are_in_the_operators_hand() {
    for kind in place::kinds() {
        let house = House::founded(kind).await;
        let folder = house.path("uebergabe");
        std::fs::create_dir(&folder).unwrap();
        let first = house.apply(&village(&folder));
        let node = house.serve();
        let initial = password(&first, "anna.alt");
        let anna = node.first_sign_in("anna.alt", &initial).unwrap();
        assert_eq!(node.page(&anna, "/nachrichten").0, 200);

        let short = house.run(&["person", "password", "anna.alt"], "kurz\n");
        assert!(!short.status.success() && String::from_utf8_lossy(&short.stderr).contains("12 Zeichen"));
        let output = house.run(&["person", "password", "Anna.Alt"], "ein-neues-langes-passwort\n");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("ein-neues"));
        assert_eq!(node.page(&anna, "/nachrichten").0, 303, "the session ended");
        assert!(node.sign_in("anna.alt", &own(&initial)).is_none());
        let anna = node.first_sign_in("anna.alt", "ein-neues-langes-passwort").unwrap();
        // A second apply does not bring the first password back.
        nothing_to_do(&house.apply(&village(&folder)));
        house.fine(&["person", "lock", "anna.alt"]);
        assert_eq!(node.page(&anna, "/nachrichten").0, 303);
        assert!(node.sign_in("anna.alt", &own("ein-neues-langes-passwort")).is_none());
        assert!(house.fine(&["directory", "show"]).contains("# gesperrt"));
        shown_is_what_is_there(&house);
        house.fine(&["person", "unlock", "anna.alt"]);
        assert!(node.sign_in("anna.alt", &own("ein-neues-langes-passwort")).is_some());
        assert!(house.refused(&["person", "lock", "gibt.es.nicht"]).contains("gibt.es.nicht"));

        let made = house.json(&["token", "new", "online.dorf", "--name", "erstes", "--days", "30"]);
        assert_eq!(made["tenant"], "dorf");
        let head = format!(
            "Authorization: Bearer {}\r\nContent-Type: message/rfc822\r\nIdempotency-Key: eins\r\n",
            made["token"].as_str().unwrap()
        );
        let mail = "From: a@b.example\r\nTo: post@dorf.example\r\nSubject: Online\r\n\r\nText\r\n";
        let path = "/api/v1/messages";
        let (status, _, body) = node.http("POST", path, &head, mail);
        assert_eq!(status, 201, "{body}");
        assert!(house.refused(&["token", "new", "online.dorf", "--name", "erstes"]).contains("schon"));
        assert!(house.refused(&["token", "new", "anna.alt", "--name", "x"]).contains("Dienste"));
        assert!(
            house.refused(&["token", "new", "online.dorf", "--name", "x", "--tenant", "y"]).contains("dorf")
        );
        let list = house.json(&["token", "list", "online.dorf"]);
        assert_eq!((list[0]["name"].as_str(), list[0]["expired"].as_bool()), (Some("erstes"), Some(false)));
        house.fine(&["token", "revoke", "online.dorf", "--name", "erstes"]);
        assert_eq!(node.http("POST", path, &head.replace("eins", "zwei"), mail).0, 401);
        assert!(
            house.refused(&["token", "revoke", "online.dorf", "--name", "erstes"]).contains("kein Token")
        );
        drop(node);
        assert_eq!(house.json(&["verify"])["ok"], true);
    }
}
