//! What a decision costs through `interlock-policy`, over what it costs with bare Cedar.
//!
//! Prints one line per figure, `name value unit bound holds`, or JSON with `--output json`. Figures are ratios of two
//! ways that take turns in one run, so that a busy machine slows both. `cargo run --release --example ask_cost`.
//!
//! - `bare` builds the same request and entities with Cedar's API, names parsed beforehand and nothing validated, and
//!   asks `is_authorized` with a policy set of only that action's policies.
//! - `ask` is [`Bundle::ask`] on all policies, which are spread over fifty actions: translated, validated, bucketed,
//!   explained.
//! - `application` is a question to a tenant's application of 10,000 policies over fifty actions, over the same to one of 100.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hint::black_box,
    process::ExitCode,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression as Value,
};
use interlock_domain::{Action, Facts, Principal, Question, Resource};
use interlock_policy::{
    Access, Application, Bundle, BundleError, Thing, Verb, default_files, sample_question,
};

const ACTIONS: usize = 50;
const CALLS_PER_ROUND: u32 = 20;
const ROUNDS_MIN: usize = 50;
const TIME_PER_FIGURE: Duration = Duration::from_millis(1_500);

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    bound: Option<f64>,
}

fn main() -> ExitCode {
    let json =
        std::env::args().skip_while(|arg| arg != "--output").nth(1).is_some_and(|format| format == "json");
    let figures = match measure() {
        Ok(figures) => figures,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut all_hold = true;
    for Figure { name, value, unit, bound } in figures {
        let holds = bound.is_none_or(|bound| value <= bound);
        all_hold &= holds;
        if json {
            let bound = bound.map_or("null".to_owned(), |bound| bound.to_string());
            println!(
                r#"{{"name":"{name}","value":{value:.3},"unit":"{unit}","bound":{bound},"holds":{holds}}}"#
            );
        } else {
            let bound = bound.map_or("-".to_owned(), |bound| bound.to_string());
            println!("{name} {value:.3} {unit} {bound} {holds}");
        }
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure() -> Result<Vec<Figure>, Box<dyn std::error::Error>> {
    let mut figures = Vec::new();
    for action in [Action::AdmitChange, Action::PauseRollout] {
        let question = sample_question(action);
        let verb = action.as_str();
        let mut largest = None;
        for count in [10, 100, 1_000, 10_000] {
            let own = (count / ACTIONS).max(1);
            let bundle = bundle(action, own, ACTIONS - 1)?;
            let bare = Bare::new(action, own)?;
            assert_eq!(bundle.ask(&question).allowed, bare.ask(&question)?, "both ways must agree");
            let (ask_us, bare_us, ratio) = take_turns(
                || _ = black_box(bundle.ask(black_box(&question))),
                || _ = black_box(bare.ask(black_box(&question))),
            );
            let name = |what: &str| format!("policy.{what}.{verb}.{count}");
            figures.push(Figure {
                name: name("ask_over_bare"),
                value: ratio,
                unit: "ratio",
                bound: Some(1.3),
            });
            figures.push(Figure { name: name("ask"), value: ask_us, unit: "us", bound: None });
            figures.push(Figure { name: name("bare"), value: bare_us, unit: "us", bound: None });
            largest = Some((bundle, own));
        }
        if let Some((all, own)) = largest {
            let alone = bundle(action, own, 0)?;
            let (_, _, ratio) = take_turns(
                || _ = black_box(all.ask(black_box(&question))),
                || _ = black_box(alone.ask(black_box(&question))),
            );
            let name = format!("policy.ask_with_other_actions_over_alone.{verb}.10000");
            figures.push(Figure { name, value: ratio, unit: "ratio", bound: Some(1.1) });
        }
    }
    let (many, few) = (application(10_000)?, application(100)?);
    let (question, simple) = (access(10_000), access(100));
    let now = interlock_domain::Timestamp::from_millis(1_795_176_000_000);
    assert!(many.evaluate(&question, now).allowed && few.evaluate(&simple, now).allowed, "both must allow");
    let (many_us, few_us, ratio) = take_turns(
        || _ = black_box(many.evaluate(black_box(&question), now)),
        || _ = black_box(few.evaluate(black_box(&simple), now)),
    );
    let figure = |name: &str, value, unit, bound| Figure { name: name.to_owned(), value, unit, bound };
    figures.push(figure("policy.application_10000_over_100", ratio, "ratio", Some(1.5)));
    figures.push(figure("policy.application.10000", many_us, "us", None));
    figures.push(figure("policy.application.100", few_us, "us", None));
    Ok(figures)
}

/// So many policies over fifty actions: whoever has the role may do it in the own ward.
fn application(count: usize) -> Result<Application, BundleError> {
    let actions: Vec<String> = (0..ACTIONS).map(|nth| format!("a{nth}")).collect();
    let schema = format!(
        "entity User {{ role: String, ward: String }};\nentity Record {{ ward: String }};\n\
         action {} appliesTo {{ principal: User, resource: Record }};\n",
        actions.join(", ")
    );
    let policies = (0..count).map(|nth| {
        let (action, role) = (nth % ACTIONS, nth / ACTIONS);
        format!(
            "@id(\"p{nth}\") @reason(\"Because of {nth}\")\npermit (principal, action == Action::\"a{action}\", resource)\n\
             when {{ principal.role == \"r{role}\" && principal.ward == resource.ward }};\n"
        )
    });
    let header = "name = \"measured\"\nrevision = 1\n[types]\nuser = \"User\"\nrecord = \"Record\"\n";
    Application::from_files(&BTreeMap::from([
        ("application.toml".to_owned(), header.as_bytes().to_vec()),
        ("schema.cedarschema".to_owned(), schema.into_bytes()),
        ("measured.cedar".to_owned(), policies.collect::<String>().into_bytes()),
    ]))
}

/// What the last of the first action's policies allows.
fn access(count: usize) -> Access {
    let said = |pairs: &[(&str, String)]| {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into())).collect()
    };
    let (role, ward) = (("role", format!("r{}", count / ACTIONS - 1)), ("ward", "icu".to_owned()));
    let thing = |kind: &str, id: &str, properties| {
        Arc::new(Thing { kind: kind.to_owned(), id: id.to_owned(), properties })
    };
    Access {
        subject: thing("user", "ana", said(&[role, ward.clone()])),
        action: Arc::new(Verb { name: "a0".to_owned(), properties: said(&[]) }),
        resource: thing("record", "101", said(&[ward])),
        context: Arc::default(),
    }
}

/// Times two ways in turns: the median of each in microseconds, and the median of the ratios of neighbours.
fn take_turns(mut one: impl FnMut(), mut other: impl FnMut()) -> (f64, f64, f64) {
    let time = |way: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..CALLS_PER_ROUND {
            way();
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS_PER_ROUND)
    };
    let begun = Instant::now();
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS_MIN || begun.elapsed() < TIME_PER_FIGURE {
        rounds.push((time(&mut one), time(&mut other)));
    }
    // The first ones fill caches.
    rounds.drain(..rounds.len() / 10);
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (
        median(rounds.iter().map(|round| round.0).collect()),
        median(rounds.iter().map(|round| round.1).collect()),
        median(rounds.iter().map(|round| round.0 / round.1).collect()),
    )
}

/// `count` policies for an action. One in ten permits and holds for the sample question, the others do not.
fn policies(action: &str, count: usize) -> String {
    (0..count)
        .map(|nth| {
            let effect = if nth % 10 == 0 { "permit" } else { "forbid" };
            let environment = if nth % 10 == 0 { "production".to_owned() } else { format!("ward-{nth}") };
            format!(
                "@id(\"{action}.{nth}\") @reason(\"Because of {nth}\")\n\
                 {effect} (principal in Interlock::Role::\"release_manager\", action == Interlock::Action::\"{action}\", \
                 resource is Interlock::Change)\nwhen {{ resource.environment == \"{environment}\" }};\n"
            )
        })
        .collect()
}

/// A bundle with `own` policies for the action that is asked about, and as many for each of `others` more.
fn bundle(action: Action, own: usize, others: usize) -> Result<Bundle, BundleError> {
    let files: BTreeMap<String, Vec<u8>> = default_files();
    let schema = String::from_utf8_lossy(&files["schema.cedarschema"]).into_owned();
    let end = schema.rfind('}').unwrap_or(schema.len());
    let mut schema = schema[..end].to_owned();
    let mut text = policies(action.as_str(), own);
    for nth in 0..others {
        schema.push_str(&format!(
            "  action Other{nth} appliesTo {{ principal: [User, ServiceAccount], resource: Change, context: Now }};\n"
        ));
        text.push_str(&policies(&format!("Other{nth}"), own));
    }
    schema.push('}');
    Bundle::from_files(BTreeMap::from([
        ("bundle.toml".to_owned(), files["bundle.toml"].clone()),
        ("schema.cedarschema".to_owned(), schema.into_bytes()),
        ("measured.cedar".to_owned(), text.into_bytes()),
    ]))
}

/// The decision as somebody would write it who has only this one question.
struct Bare {
    authorizer: Authorizer,
    policies: PolicySet,
    action: EntityUid,
    names: HashMap<&'static str, EntityTypeName>,
}

impl Bare {
    fn new(action: Action, count: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut names = HashMap::new();
        for name in ["User", "Role", "Tenant", "Environment", "Change"] {
            names.insert(name, EntityTypeName::from_str(&format!("Interlock::{name}"))?);
        }
        Ok(Self {
            authorizer: Authorizer::new(),
            policies: PolicySet::from_str(&policies(action.as_str(), count))?,
            action: EntityUid::from_str(&format!("Interlock::Action::\"{action}\""))?,
            names,
        })
    }

    fn uid(&self, name: &str, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.names[name].clone(), EntityId::new(id))
    }

    fn ask(&self, question: &Question) -> Result<bool, Box<dyn std::error::Error>> {
        let Principal::Actor(actor) = &question.principal else { return Err("not a person".into()) };
        let Resource::Change { id, tenant, environment, change_kind, author, .. } = &question.resource else {
            return Err("not a change".into());
        };
        let tenant_uid = self.uid("Tenant", tenant.as_str());
        let principal = self.uid("User", actor.person.as_str());
        let roles = actor.roles_in(Some(environment)).into_iter().map(|role| self.uid("Role", role.as_str()));
        let resource = self.uid("Change", id);
        let entities = Entities::from_entities(
            [
                Entity::new(
                    principal.clone(),
                    HashMap::from([
                        ("tenant".to_owned(), Value::new_entity_uid(tenant_uid.clone())),
                        ("on_hold".to_owned(), Value::new_bool(false)),
                    ]),
                    roles.collect(),
                )?,
                Entity::new(
                    resource.clone(),
                    HashMap::from([
                        ("environment".to_owned(), Value::new_string(environment.to_string())),
                        ("kind".to_owned(), Value::new_string(change_kind.as_str().to_owned())),
                        ("author".to_owned(), Value::new_entity_uid(self.uid("User", author.as_str()))),
                        ("guarded".to_owned(), Value::new_bool(true)),
                        ("paused_by_safety".to_owned(), Value::new_bool(false)),
                        ("back_weakens".to_owned(), Value::new_bool(false)),
                    ]),
                    HashSet::from([tenant_uid, self.uid("Environment", &format!("{tenant}/{environment}"))]),
                )?,
            ],
            None,
        )?;
        let context = self.context(question)?;
        let request = Request::new(principal, self.action.clone(), resource, context, None)?;
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        Ok(response.decision() == cedar_policy::Decision::Allow)
    }

    fn context(&self, question: &Question) -> Result<Context, Box<dyn std::error::Error>> {
        let own = |(name, value): (&str, Value)| (name.to_owned(), value);
        let long = |number: u32| Value::new_long(i64::from(number));
        let mut pairs = vec![("now", Value::new_datetime(question.now.to_string()))];
        if let Facts::Admission(facts) = &question.facts {
            let approvals = &facts.approvals;
            let roles =
                approvals.roles.iter().map(|role| Value::new_entity_uid(self.uid("Role", role.as_str())));
            let persons =
                approvals.persons.iter().map(|id| Value::new_entity_uid(self.uid("User", id.as_str())));
            let mut counted = vec![
                ("distinct", long(approvals.distinct)),
                ("roles", Value::new_set(roles)),
                ("persons", Value::new_set(persons)),
            ];
            counted
                .extend(approvals.oldest.map(|oldest| ("oldest", Value::new_datetime(oldest.to_string()))));
            let gates = [
                ("passed", long(facts.gates_passed)),
                ("warned", long(facts.gates_warned)),
                ("failed", long(facts.gates_failed)),
                ("holding", long(facts.gates_holding)),
                ("missing", long(facts.gates_missing)),
            ];
            pairs.extend([
                ("approvals", Value::new_record(counted.into_iter().map(own))?),
                ("gates", Value::new_record(gates.into_iter().map(own))?),
                ("signature", Value::new_string(facts.signature.as_str().to_owned())),
                ("rollback_complete", Value::new_bool(facts.rollback_complete)),
                ("weakens", Value::new_bool(facts.weakens)),
                ("exposure_bp", long(facts.exposure_bp)),
                ("stage", long(facts.stage)),
                ("health", Value::new_string(facts.health.as_str().to_owned())),
            ]);
        }
        Ok(Context::from_pairs(pairs.into_iter().map(own))?)
    }
}
