// SPDX-License-Identifier: EUPL-1.2
//! Content routing: ordered rules with a CEL condition, and an explanation of which hit and why.
//!
//! Guarantees: a rule can never drop a message; what no rule places goes to the
//! clearing desk; a rule that fails at run time counts as "no hit" and is named
//! in the explanation. CEL has no fuel, so the source is capped at 4 KiB, its depth
//! at [`LEVEL_CAP`], nested comprehensions at two; none may build new values; and
//! compiling runs on a thread with a large stack. Not guaranteed: that a condition
//! somebody wrote to be slow is fast.

use std::sync::Arc;

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr};
use cel::{Context, IdedExpr, Program, Value};
use poststelle_model::{Action, DeskId, Rule, RuleId, Target};
use serde::{Deserialize, Serialize};

/// Longest condition, bytes.
pub const SOURCE_CAP: usize = 4096;
/// Deepest nesting of comprehensions (`all`, `exists`, `map`, `filter`).
pub const COMPREHENSION_CAP: usize = 2;
/// Deepest nesting of expressions; asking a rule recurses as deep.
pub const LEVEL_CAP: usize = 100;
/// Entries of lists written into a condition that a comprehension walks through.
pub const WALK_CAP: usize = 20;
/// Attachments a condition can see.
pub const ATTACHMENT_CAP: usize = 1000;
/// Text of the body a condition can see, bytes.
pub const TEXT_CAP: usize = 16 * 1024;

/// A condition that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCondition {
    /// Longer than the cap.
    #[error("the condition has {0} bytes; at most {SOURCE_CAP} are allowed")]
    TooLong(usize),
    /// Not CEL.
    #[error("not a valid condition: {0}")]
    Syntax(String),
    /// Nested too deep.
    #[error("comprehensions are nested {0} deep; at most {COMPREHENSION_CAP} are allowed")]
    TooDeep(usize),
    /// Expressions nested too deep.
    #[error("the condition is nested {0} deep; at most {LEVEL_CAP} levels are allowed")]
    TooLarge(usize),
    /// A comprehension that builds values: a few bytes of it could fill the memory.
    #[error("the condition builds a list with map; use exists, all or filter")]
    Builds,
    /// A comprehension walks through a long list written into the condition: two of them in each other cost their product.
    #[error(
        "a comprehension walks through a list of {0} entries written into it; at most {WALK_CAP} are allowed"
    )]
    Walks(usize),
    /// Names something that does not exist; found by a dry run.
    #[error("the condition does not work on a sample message: {0}")]
    DryRun(String),
}

/// What a condition sees as `msg`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Subject.
    pub subject: String,
    /// Author's address in the headers, lower case.
    pub sender: String,
    /// Author's display name.
    pub sender_name: String,
    /// Domain of the author's address.
    pub sender_domain: String,
    /// Envelope sender.
    pub envelope_sender: String,
    /// Addresses of this tenant it was sent to, lower case.
    pub recipients: Vec<String>,
    /// `mail`, `rest`.
    pub channel: String,
    /// Bytes.
    pub size: i64,
    /// Sent by a machine.
    pub automatic: bool,
    /// Marked urgent by the sender.
    pub urgent: bool,
    /// First 16 KiB of the body text.
    pub text: String,
    /// Attachments.
    pub attachments: Vec<AttachmentFacts>,
    /// Headers, lower-case names; the first of each name.
    pub headers: std::collections::BTreeMap<String, String>,
}

/// What a condition sees of an attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AttachmentFacts {
    /// Safe name.
    pub name: String,
    /// Declared media type.
    pub media_type: String,
    /// Media type by content.
    pub detected: String,
    /// Bytes.
    pub size: i64,
}

/// A compiled rule.
pub struct Compiled {
    /// As stored.
    pub rule: Rule,
    program: Result<Program, BadCondition>,
}

/// All rules of a tenant, compiled.
pub struct RuleSet {
    rules: Vec<Compiled>,
    /// Does any condition look at the body text?
    pub wants_text: bool,
}

/// How one rule fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Which rule.
    pub rule: RuleId,
    /// Its name then.
    pub name: String,
    /// Its version then.
    pub version: i64,
    /// Hit?
    pub hit: bool,
    /// Why it could not be asked; empty = it could.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Which rule hit and why; stored with the message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Rules asked, in order.
    pub asked: Vec<Asked>,
    /// Where it went: (rule name or house reason, target).
    pub placed: Vec<Placed>,
    /// Nobody claimed it.
    pub clearing: bool,
}

/// One planned hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Which rule; `None` = the house.
    pub rule: Option<RuleId>,
    /// Name of the rule or the house's reason.
    pub because: String,
    /// Where to.
    pub target: Target,
}

/// Compiles a condition.
///
/// # Errors
/// [`BadCondition`].
pub fn compile(source: &str) -> Result<Program, BadCondition> {
    if source.len() > SOURCE_CAP {
        return Err(BadCondition::TooLong(source.len()));
    }
    let text = source.to_owned();
    // The parser recurses: a small worker stack must not be what ends it.
    let compiled = std::thread::Builder::new()
        .stack_size(32 * 1024 * 1024)
        .spawn(move || {
            let program = Program::compile(&text).map_err(|e| {
                BadCondition::Syntax(
                    e.to_string().lines().next().unwrap_or_default().chars().take(300).collect(),
                )
            })?;
            let shape = Shape::of(program.expression());
            match shape {
                Shape { levels, .. } if levels > LEVEL_CAP => Err(BadCondition::TooLarge(levels)),
                Shape { comprehensions, .. } if comprehensions > COMPREHENSION_CAP => {
                    Err(BadCondition::TooDeep(comprehensions))
                }
                Shape { builds: true, .. } => Err(BadCondition::Builds),
                Shape { walks, .. } if walks > WALK_CAP => Err(BadCondition::Walks(walks)),
                _ => Ok(program),
            }
        })
        .map_err(|e| BadCondition::Syntax(e.to_string()))?
        .join();
    compiled.unwrap_or_else(|_| Err(BadCondition::Syntax("the parser gave up".to_owned())))
}

/// Compiles a condition and tries it on a sample message: what the rule editor calls.
///
/// # Errors
/// [`BadCondition`].
pub fn check(source: &str) -> Result<(), BadCondition> {
    let program = compile(source)?;
    let sample = Facts {
        subject: "Widerspruch gegen Bescheid".to_owned(),
        sender: "absender@example.org".to_owned(),
        sender_domain: "example.org".to_owned(),
        recipients: vec!["poststelle@example.org".to_owned()],
        channel: "mail".to_owned(),
        size: 80_000,
        text: "Sehr geehrte Damen und Herren".to_owned(),
        attachments: vec![AttachmentFacts { name: "anlage.pdf".to_owned(), ..AttachmentFacts::default() }],
        ..Facts::default()
    };
    match evaluate(&program, &context(&sample)) {
        Ok(_) => Ok(()),
        Err(e) => Err(BadCondition::DryRun(e)),
    }
}

/// Does a condition hold for a message? Compiled anew: for trials, not for the way of mail.
///
/// # Errors
/// Why it cannot be asked, in English.
pub fn holds(source: &str, facts: &Facts) -> Result<bool, String> {
    let program = compile(source).map_err(|e| e.to_string())?;
    evaluate(&program, &context(facts))
}

/// What matters of an expression before it is evaluated.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    levels: usize,
    comprehensions: usize,
    builds: bool,
    /// Entries of all lists and maps written into it.
    listed: usize,
    /// The most of them that one comprehension walks through.
    walks: usize,
}

impl Shape {
    fn of(expr: &IdedExpr) -> Self {
        match &expr.expr {
            Expr::Call(call) => Self::above(call.target.iter().map(AsRef::as_ref).chain(call.args.iter())),
            Expr::Comprehension(c) => {
                let inside = [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result];
                let below = Self::above(inside.into_iter());
                let walks = below.walks.max(Self::of(&c.iter_range).listed);
                let builds = below.builds || builds(c);
                Self { comprehensions: below.comprehensions + 1, builds, walks, ..below }
            }
            Expr::List(list) => {
                let below = Self::above(list.elements.iter());
                Self { listed: below.listed + list.elements.len(), ..below }
            }
            Expr::Map(map) => {
                let below = Self::of_entries(&map.entries);
                Self { listed: below.listed + map.entries.len(), ..below }
            }
            Expr::Struct(s) => Self::of_entries(&s.entries),
            Expr::Select(select) => Self::above(std::iter::once(select.operand.as_ref())),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Self { levels: 1, ..Self::default() },
        }
    }

    fn of_entries(entries: &[cel::common::ast::IdedEntryExpr]) -> Self {
        Self::above(entries.iter().flat_map(|entry| match &entry.expr {
            EntryExpr::StructField(f) => vec![&f.value],
            EntryExpr::MapEntry(m) => vec![&m.key, &m.value],
        }))
    }

    fn above<'a>(below: impl Iterator<Item = &'a IdedExpr>) -> Self {
        let all = below.map(Self::of).fold(Self::default(), |a, b| Self {
            levels: a.levels.max(b.levels),
            comprehensions: a.comprehensions.max(b.comprehensions),
            builds: a.builds || b.builds,
            listed: a.listed + b.listed,
            walks: a.walks.max(b.walks),
        });
        Self { levels: all.levels + 1, ..all }
    }
}

/// `all`, `exists` and `exists_one` carry a flag or a count, `filter` keeps what is there; anything else builds values.
fn builds(c: &ComprehensionExpr) -> bool {
    fn args(e: &IdedExpr) -> &[IdedExpr] {
        if let Expr::Call(call) = &e.expr { &call.args } else { &[] }
    }
    let kept = match args(&c.loop_step) {
        [_, step, _] => args(step).get(1),
        step => step.get(1),
    };
    match (&c.accu_init.expr, kept.map(|k| &k.expr)) {
        (Expr::Literal(_), _) => false,
        (Expr::List(_), Some(Expr::List(kept))) => {
            !matches!(kept.elements.as_slice(), [IdedExpr { expr: Expr::Ident(name), .. }] if *name == c.iter_var)
        }
        _ => true,
    }
}

fn context(facts: &Facts) -> Context<'static, 'static> {
    let mut context = Context::default();
    if let Ok(value) = cel::to_value(facts) {
        context.add_variable_from_value("msg", value);
    }
    context
}

fn evaluate(program: &Program, context: &Context<'_, '_>) -> Result<bool, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program.execute(context))) {
        Ok(Ok(Value::Bool(hit))) => Ok(hit),
        Ok(Ok(_)) => Err("the condition must say true or false".to_owned()),
        Ok(Err(e)) => Err(e.to_string().chars().take(300).collect()),
        Err(_) => Err("the condition could not be evaluated".to_owned()),
    }
}

impl RuleSet {
    /// Compiles the active rules, in order. A rule that no longer compiles stays in the set and says so.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let rules: Vec<Compiled> = rules
            .into_iter()
            .filter(|rule| rule.active)
            .map(|rule| Compiled { program: compile(&rule.condition), rule })
            .collect();
        let wants_text = rules.iter().any(|c| c.rule.condition.contains("text"));
        Self { rules, wants_text }
    }

    /// Is there any rule?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Asks the rules in order until one places the message. Gives the explanation and whether a rule marked it urgent.
    #[must_use]
    pub fn route(&self, facts: &Facts, clearing: DeskId) -> (Explanation, bool) {
        let mut out = Explanation::default();
        let mut urgent = facts.urgent;
        let context = (!self.rules.is_empty()).then(|| context(facts));
        'rules: for compiled in &self.rules {
            let rule = &compiled.rule;
            let result = match (&compiled.program, &context) {
                (Ok(program), Some(context)) => evaluate(program, context),
                (Err(e), _) => Err(e.to_string()),
                (Ok(_), None) => Ok(false),
            };
            let (hit, error) = match result {
                Ok(hit) => (hit, String::new()),
                Err(e) => (false, e),
            };
            out.asked.push(Asked {
                rule: rule.id,
                name: rule.name.clone(),
                version: rule.version,
                hit,
                error,
            });
            if !hit {
                continue;
            }
            let mut placed = false;
            for action in &rule.actions {
                let target = match action {
                    Action::ToDesk { desk } | Action::CopyToDesk { desk } => Target::Desk { desk: *desk },
                    Action::ToConnector { connector } => Target::Connector { connector: *connector },
                    Action::ToAddress { address } => Target::Mail { address: address.clone() },
                    Action::ToClearing => Target::Desk { desk: clearing },
                    Action::Priority => {
                        urgent = true;
                        continue;
                    }
                };
                placed |= action.places();
                if !out.placed.iter().any(|p| p.target == target) {
                    out.placed.push(Placed { rule: Some(rule.id), because: rule.name.clone(), target });
                }
            }
            if placed {
                break 'rules;
            }
        }
        let claimed = out.placed.iter().any(|p| {
            self.rules.iter().any(|c| Some(c.rule.id) == p.rule && c.rule.actions.iter().any(Action::places))
        });
        if !claimed {
            out.clearing = true;
            let target = Target::Desk { desk: clearing };
            if !out.placed.iter().any(|p| p.target == target) {
                let because = "Keine Regel trifft zu".to_owned();
                out.placed.push(Placed { rule: None, because, target });
            }
        }
        (out, urgent)
    }
}

/// Shared rule sets.
pub type SharedRules = Arc<RuleSet>;

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_model::{ConnectorId, SeededIds, TenantId};

    fn rule(ids: &SeededIds, name: &str, condition: &str, actions: Vec<Action>) -> Rule {
        Rule {
            tenant: TenantId::new(ids),
            id: RuleId::new(ids),
            position: 0,
            name: name.to_owned(),
            condition: condition.to_owned(),
            actions,
            active: true,
            version: 1,
        }
    }

    #[test]
    fn first_placing_rule_wins_copies_add_up_and_nothing_is_dropped() {
        let ids = SeededIds::new(3);
        let (clearing, desk, copy) = (DeskId::new(&ids), DeskId::new(&ids), DeskId::new(&ids));
        let connector = ConnectorId::new(&ids);
        let set = RuleSet::new(vec![
            rule(&ids, "kaputt", "msg.nope == 'x'", vec![Action::ToClearing]),
            rule(&ids, "Kopie", "true", vec![Action::CopyToDesk { desk: copy }, Action::Priority]),
            rule(
                &ids,
                "Bauamt",
                "msg.subject.contains('Bauantrag')",
                vec![Action::ToConnector { connector }],
            ),
            rule(
                &ids,
                "Rest",
                "msg.attachments.exists(a, a.name.endsWith('.pdf'))",
                vec![Action::ToDesk { desk }],
            ),
        ]);
        let facts = Facts { subject: "Bauantrag Dorfstraße 1".to_owned(), ..Facts::default() };
        let (explanation, urgent) = set.route(&facts, clearing);
        assert!(urgent);
        let targets: Vec<_> = explanation.placed.iter().map(|p| p.target.clone()).collect();
        assert_eq!(targets, [Target::Desk { desk: copy }, Target::Connector { connector }]);
        assert!(!explanation.asked[0].error.is_empty());
        assert!(!explanation.clearing);
        let (explanation, _) = set.route(&Facts::default(), clearing);
        assert!(explanation.clearing);
        assert!(explanation.placed.iter().any(|p| p.target == Target::Desk { desk: clearing }));
    }

    #[test]
    fn conditions_are_refused_with_the_cap_named() {
        assert!(matches!(check(&"a".repeat(5000)), Err(BadCondition::TooLong(5000))));
        assert!(matches!(check("msg.subject.contains("), Err(BadCondition::Syntax(_))));
        assert!(matches!(check("msg.nope == 'x'"), Err(BadCondition::DryRun(_))));
        assert!(matches!(check("msg.size"), Err(BadCondition::DryRun(_))));
        let deep = "[1].all(a, [1].all(b, [1].all(c, true)))";
        assert!(matches!(check(deep), Err(BadCondition::TooDeep(3))));
        assert_eq!(check("msg.size > 100 && msg.sender_domain == 'example.org'"), Ok(()));
        assert!(check(&"(".repeat(3000)).is_err());
        for (first, next) in
            [("1", "-1"), ("msg", ".size()"), ("msg", ".a"), ("[1]", "[0]"), ("true", "==true")]
        {
            let long = format!("{first}{}", next.repeat((SOURCE_CAP - first.len()) / next.len()));
            assert!(matches!(check(&long), Err(BadCondition::TooLarge(n)) if n > LEVEL_CAP), "{long}");
        }
        let alternatives = vec!["msg.sender == 'a@example.org'"; 100].join(" || ");
        assert_eq!(check(&alternatives), Ok(()));
        let builds = "msg.attachments.map(a, msg.text + msg.text).size() > 0";
        assert_eq!(check(builds), Err(BadCondition::Builds));
        let ones = vec!["1"; 500].join(",");
        for long in
            [format!("[{ones}].all(a, [{ones}].all(b, true))"), format!("([{ones}] + [1]).exists(a, a == 2)")]
        {
            assert!(matches!(check(&long), Err(BadCondition::Walks(500..))), "{long}");
        }
        assert_eq!(check(&format!("msg.size in [{ones}]")), Ok(()));
        assert_eq!(check("msg.attachments.filter(a, a.size > 10).size() > 1"), Ok(()));
    }
}
