//! Rosters, and the plans that take one to the next.

use proptest::prelude::*;

use super::*;
use crate::Digest;

fn plugin(name: &str, version: u8) -> PluginRef {
    PluginRef {
        name: name.to_owned(),
        version: format!("{version}.0.0"),
        digest: Digest::of(format!("{name} {version}")),
    }
}

fn gate(plugin: &str) -> Binding {
    Binding {
        plugin: plugin.to_owned(),
        role: BindingRole::Gate,
        settings: serde_json::json!({}),
        mode: GateMode::Enforce,
        kinds: BTreeSet::from([ChangeKind::Release]),
        group: None,
    }
}

fn grouped(plugin: &str, group: &str) -> Binding {
    Binding { group: Some(group.to_owned()), ..gate(plugin) }
}

fn group(expression: &str) -> GateGroup {
    GateGroup { expression: expression.to_owned(), mode: GateMode::Enforce }
}

fn sources(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn plan(steps: impl IntoIterator<Item = PluginStep>) -> PluginPlan {
    PluginPlan { steps: steps.into_iter().collect(), ..PluginPlan::default() }
}

fn activate(roster: &Roster, name: &str, version: u8) -> PluginStep {
    let from = roster.plugins.get(name).map(|active| active.plugin.clone());
    PluginStep::Activate { name: name.to_owned(), from, to: plugin(name, version) }
}

fn bind(roster: &Roster, id: &str, to: Binding) -> PluginStep {
    PluginStep::Bind { id: id.to_owned(), from: roster.bindings.get(id).cloned(), to }
}

/// Two active gates, both bound.
fn two_gates() -> Roster {
    let none = Roster::default();
    let steps = [
        activate(&none, "size", 1),
        activate(&none, "window", 1),
        bind(&none, "size", gate("size")),
        bind(&none, "window", gate("window")),
    ];
    none.apply(&plan(steps)).unwrap()
}

fn refused(roster: &Roster, steps: impl IntoIterator<Item = PluginStep>) -> String {
    roster.apply(&plan(steps)).unwrap_err().to_string()
}

#[test]
fn a_step_that_was_made_for_another_roster_is_a_conflict_with_both_sides_named() {
    let before = two_gates();
    let newer = before.apply(&plan([activate(&before, "size", 2)])).unwrap();
    let late = refused(&newer, [activate(&before, "size", 3)]);
    let (one, two) = (plugin("size", 1).digest.to_string(), plugin("size", 2).digest.to_string());
    assert!(late.contains(&one) && late.contains(&two), "{late}");
    assert!(late.contains("propose it again"), "{late}");
    let gone = refused(&before, [PluginStep::Unbind { id: "other".to_owned(), from: gate("size") }]);
    assert!(gone.contains("binding `other`") && gone.contains("nothing"), "{gone}");
}

#[test]
fn what_is_granted_to_a_name_stays_when_another_digest_comes_into_use() {
    let before = two_gates();
    let grant = PluginStep::Grant { plugin: "size".to_owned(), from: sources(&[]), to: sources(&["fleet"]) };
    let granted = before.apply(&plan([grant])).unwrap();
    let newer = granted.apply(&plan([activate(&granted, "size", 2)])).unwrap();
    assert_eq!(newer.plugins["size"].granted, sources(&["fleet"]));
    let unbound = PluginStep::Unbind { id: "size".to_owned(), from: gate("size") };
    let leave = PluginStep::Deactivate { name: "size".to_owned(), from: plugin("size", 2) };
    assert!(refused(&newer, [unbound, leave]).contains("take them away first"));
}

#[test]
fn a_roster_that_would_not_hold_together_is_refused_with_what_to_do() {
    let roster = two_gates();
    let health = Binding { role: BindingRole::Health, ..gate("size") };
    let strategy = Binding { role: BindingRole::Strategy, ..gate("size") };
    let cases: Vec<(Vec<PluginStep>, &str)> = vec![
        (vec![bind(&roster, "x", gate("absent"))], "activate it, or unbind `x`"),
        (vec![PluginStep::Deactivate { name: "size".to_owned(), from: plugin("size", 1) }], "unbind `size`"),
        (vec![bind(&roster, "and", gate("size"))], "is no id of a binding"),
        (vec![bind(&roster, &"x".repeat(64), gate("size"))], "is no id of a binding"),
        (vec![bind(&roster, "x", Binding { kinds: BTreeSet::new(), ..gate("size") })], "no kind of change"),
        (
            vec![bind(
                &roster,
                "x",
                Binding { kinds: BTreeSet::from([ChangeKind::Plugin]), ..health.clone() },
            )],
            "for releases alone",
        ),
        (
            vec![bind(&roster, "x", Binding { group: Some("g".to_owned()), ..health })],
            "only gates are in groups",
        ),
        (
            vec![bind(&roster, "x", Binding { mode: GateMode::Monitor, ..strategy.clone() })],
            "its mode is `enforce`",
        ),
        (
            vec![bind(&roster, "x", strategy.clone()), bind(&roster, "y", strategy)],
            "two strategies are bound",
        ),
        (vec![bind(&roster, "size", grouped("size", "g"))], "which does not exist"),
    ];
    for (steps, words) in cases {
        let said = refused(&roster, steps);
        assert!(said.contains(words), "{said}");
    }
    bind_edge(&roster);
}

/// 63 characters are a name.
fn bind_edge(roster: &Roster) {
    roster.apply(&plan([bind(roster, &"x".repeat(63), gate("size"))])).unwrap();
}

#[test]
fn a_group_and_its_members_name_each_other() {
    let roster = two_gates();
    let make =
        |expression: &str| PluginStep::Group { name: "g".to_owned(), from: None, to: group(expression) };
    let size = bind(&roster, "size", grouped("size", "g"));
    let window = bind(&roster, "window", grouped("window", "g"));
    roster.apply(&plan([size.clone(), window.clone(), make("size && window")])).unwrap();
    let cases: Vec<(Vec<PluginStep>, &str)> = vec![
        (vec![size.clone(), make("size &&")], "cannot be read at character 8"),
        (vec![size.clone(), make("size && absent")], "there is no such binding"),
        (vec![size.clone(), make("size && window")], "bind it with group `g`"),
        (vec![size.clone(), window.clone(), make("size")], "whose expression does not name it"),
        (
            vec![
                size.clone(),
                bind(
                    &roster,
                    "window",
                    Binding { kinds: BTreeSet::from([ChangeKind::Plugin]), ..grouped("window", "g") },
                ),
                make("size && window"),
            ],
            "different kinds of change",
        ),
        (
            vec![
                bind(&roster, "size", Binding { mode: GateMode::Monitor, ..grouped("size", "g") }),
                window,
                make("size && window"),
            ],
            "take it out of the group",
        ),
    ];
    for (steps, words) in cases {
        let said = refused(&roster, steps);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_roster_with_a_fault_can_be_mended_step_by_step() {
    let mut broken = two_gates();
    broken.plugins.clear();
    let mended = broken.apply(&plan([activate(&broken, "size", 1)])).unwrap();
    assert_eq!(mended.faults().len(), 1);
}

/// Two gates that count alone, a health check, and two gates in a group that counts.
fn watched() -> Roster {
    let mut roster = two_gates();
    for name in ["health", "left", "right"] {
        roster = roster.apply(&plan([activate(&roster, name, 1)])).unwrap();
    }
    let health = Binding { role: BindingRole::Health, ..gate("health") };
    let steps = [
        bind(&roster, "health", health),
        PluginStep::Group { name: "g".to_owned(), from: None, to: group("left && right") },
        bind(&roster, "left", grouped("left", "g")),
        bind(&roster, "right", grouped("right", "g")),
    ];
    roster.apply(&plan(steps)).unwrap()
}

#[test]
fn taking_a_check_away_or_making_it_count_for_less_weakens() {
    let before = watched();
    assert!(!before.is_weakened_by(&before));
    let bound = |id: &str, alter: &dyn Fn(&mut Binding)| {
        let mut after = before.clone();
        alter(after.bindings.get_mut(id).unwrap());
        after
    };
    let without = |id: &str| {
        let mut after = before.clone();
        after.bindings.remove(id);
        after
    };
    let judged = |alter: &dyn Fn(&mut GateGroup)| {
        let mut after = before.clone();
        alter(after.groups.get_mut("g").unwrap());
        after
    };
    let upgraded = |name: &str| before.apply(&plan([activate(&before, name, 2)])).unwrap();
    let weaker = [
        ("monitored", bound("size", &|to| to.mode = GateMode::Monitor)),
        ("fewer kinds", bound("size", &|to| to.kinds = BTreeSet::from([ChangeKind::Plugin]))),
        ("into a group", bound("size", &|to| to.group = Some("g".to_owned()))),
        ("another plugin", bound("size", &|to| to.plugin = "window".to_owned())),
        ("another role", bound("size", &|to| to.role = BindingRole::Health)),
        ("other settings", bound("size", &|to| to.settings = serde_json::json!({ "max": 9 }))),
        ("health monitored", bound("health", &|to| to.mode = GateMode::Monitor)),
        ("gone", without("size")),
        ("a member gone", without("left")),
        ("another component", upgraded("size")),
        ("another component of a member", upgraded("left")),
        ("the group monitored", judged(&|to| to.mode = GateMode::Monitor)),
        ("the group's expression", judged(&|to| to.expression = "left || right".to_owned())),
    ];
    for (what, after) in weaker {
        assert!(before.is_weakened_by(&after), "{what}");
    }
    let as_strong = [
        ("more kinds", bound("size", &|to| to.kinds.extend([ChangeKind::Plugin]))),
        ("out of its group", bound("left", &|to| to.group = None)),
        ("one more", before.apply(&plan([bind(&before, "more", gate("size"))])).unwrap()),
    ];
    for (what, after) in as_strong {
        assert!(!before.is_weakened_by(&after), "{what}");
    }
}

#[test]
fn a_gate_that_a_plan_weakens_does_not_stop_it_and_the_others_do() {
    let before = watched();
    let bound = |id: &str, group: Option<&str>| GateBinding {
        id: Some(id.to_owned()),
        plugin: plugin(id, 1),
        settings: serde_json::json!({}),
        mode: GateMode::Enforce,
        group: group.map(str::to_owned),
    };
    let modes = |after: &Roster| {
        let mut gates =
            [bound("size", None), bound("window", None), bound("left", Some("g")), bound("right", Some("g"))];
        let mut groups = [GroupBinding {
            name: "g".to_owned(),
            expression: "left && right".to_owned(),
            mode: GateMode::Enforce,
        }];
        before.weakened_by(after).spare(&mut gates, &mut groups);
        let judging = gates.iter().filter(|gate| gate.mode == GateMode::Enforce && gate.group.is_none());
        let judging: Vec<String> = judging.map(|gate| gate.called().to_owned()).collect();
        (judging, groups[0].mode)
    };
    let mut after = before.clone();
    after.bindings.remove("size");
    assert_eq!(modes(&after), (vec!["window".to_owned()], GateMode::Enforce));
    // To bind it to more kinds as well weakens nothing, and so spares nothing.
    let mut wider = before.clone();
    wider.bindings.get_mut("size").unwrap().kinds.insert(ChangeKind::Plugin);
    assert_eq!(modes(&wider).0.len(), 2);
    let mut member = before.clone();
    member.bindings.get_mut("left").unwrap().settings = serde_json::json!({ "max": 9 });
    assert_eq!(modes(&member), (vec!["size".to_owned(), "window".to_owned()], GateMode::Monitor));
    let mut group = before.clone();
    group.groups.get_mut("g").unwrap().expression = "left || right".to_owned();
    assert_eq!(modes(&group).1, GateMode::Monitor);
}

#[test]
fn what_is_only_monitored_or_bound_by_nobody_is_free_to_go() {
    let mut before = watched();
    before.bindings.get_mut("size").unwrap().mode = GateMode::Monitor;
    before.bindings.remove("window");
    before.groups.get_mut("g").unwrap().mode = GateMode::Monitor;
    let mut after =
        before.apply(&plan(["size", "window", "left"].map(|name| activate(&before, name, 2)))).unwrap();
    after.bindings.get_mut("size").unwrap().settings = serde_json::json!({ "max": 9 });
    assert!(!before.is_weakened_by(&after));
    for id in ["size", "left"] {
        after.bindings.remove(id);
    }
    after.groups.clear();
    assert!(!before.is_weakened_by(&after));
    // Taken out and put back in one plan is the same as never touched, and a swap between is not.
    let before = watched();
    let away = PluginStep::Unbind { id: "size".to_owned(), from: before.bindings["size"].clone() };
    let out = before.apply(&plan([away.clone()])).unwrap();
    let again = [away, PluginStep::Bind { id: "size".to_owned(), from: None, to: gate("size") }];
    assert!(
        before.is_weakened_by(&out) && !before.is_weakened_by(&before.apply(&plan(again.clone())).unwrap())
    );
    let swapped = [
        again[0].clone(),
        PluginStep::Deactivate { name: "size".to_owned(), from: plugin("size", 1) },
        PluginStep::Activate { name: "size".to_owned(), from: None, to: plugin("size", 2) },
        again[1].clone(),
    ];
    assert!(before.is_weakened_by(&before.apply(&plan(swapped)).unwrap()));
}

/// What somebody would like to do, whatever is there.
#[derive(Debug, Clone)]
enum Wish {
    Activate(u8, u8),
    Deactivate(u8),
    Bind(u8, u8, bool, bool),
    Unbind(u8),
    Grant(u8, u8),
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        (0..3u8, 1..4u8).prop_map(|(name, version)| Wish::Activate(name, version)),
        (0..3u8).prop_map(Wish::Deactivate),
        (0..3u8, 0..3u8, any::<bool>(), any::<bool>())
            .prop_map(|(id, name, enforce, wide)| Wish::Bind(id, name, enforce, wide)),
        (0..3u8).prop_map(Wish::Unbind),
        (0..3u8, 0..4u8).prop_map(|(name, sources)| Wish::Grant(name, sources)),
    ]
}

/// The step that a wish comes to, if it comes to one.
fn step(roster: &Roster, wish: &Wish) -> Option<PluginStep> {
    let named = |n: &u8| format!("p{n}");
    Some(match wish {
        Wish::Activate(name, version) => activate(roster, &named(name), *version),
        Wish::Deactivate(name) => {
            let from = roster.plugins.get(&named(name))?.plugin.clone();
            PluginStep::Deactivate { name: named(name), from }
        }
        Wish::Bind(id, name, enforce, wide) => {
            let mut to = gate(&named(name));
            to.mode = if *enforce { GateMode::Enforce } else { GateMode::Monitor };
            if *wide {
                to.kinds.insert(ChangeKind::Plugin);
            }
            bind(roster, &format!("b{id}"), to)
        }
        Wish::Unbind(id) => {
            let id = format!("b{id}");
            PluginStep::Unbind { from: roster.bindings.get(&id)?.clone(), id }
        }
        Wish::Grant(name, bits) => {
            let from = roster.plugins.get(&named(name))?.granted.clone();
            let to = (0..2u8).filter(|bit| bits & (1 << bit) != 0).map(|bit| format!("s{bit}")).collect();
            PluginStep::Grant { plugin: named(name), from, to }
        }
    })
}

/// A plan of all wishes that can be had, from a roster.
fn planned(roster: &Roster, wishes: &[Wish]) -> PluginPlan {
    let (mut now, mut steps) = (roster.clone(), Vec::new());
    for wish in wishes {
        if let Some(step) = step(&now, wish)
            && let Ok(next) = now.apply(&plan([step.clone()]))
        {
            now = next;
            steps.push(step);
        }
    }
    plan(steps)
}

proptest! {
    #[test]
    fn to_apply_and_then_undo_is_to_do_nothing(
        before in proptest::collection::vec(wish(), 0..12),
        wishes in proptest::collection::vec(wish(), 0..12),
    ) {
        let before = Roster::default().apply(&planned(&Roster::default(), &before)).unwrap();
        let plan = planned(&before, &wishes);
        let after = before.apply(&plan).unwrap();
        prop_assert_eq!(after.undo(&plan).unwrap(), before);
        prop_assert_eq!(plan.undone().undone(), plan);
    }

    /// Whatever does not weaken leaves every enforced gate there, the same component for the same changes.
    #[test]
    fn without_weakening_no_enforced_gate_is_lost(wishes in proptest::collection::vec(wish(), 0..12)) {
        let before = two_gates();
        let plan = planned(&before, &wishes);
        let after = before.apply(&plan).unwrap();
        if !before.is_weakened_by(&after) {
            for (id, binding) in &before.bindings {
                let now = &after.bindings[id];
                prop_assert_eq!(now.mode, GateMode::Enforce);
                prop_assert!(binding.kinds.is_subset(&now.kinds));
                prop_assert_eq!(&before.plugins[&binding.plugin].plugin, &after.plugins[&now.plugin].plugin);
            }
        }
    }

    #[test]
    fn a_plan_reads_back_as_it_was_written(wishes in proptest::collection::vec(wish(), 0..12)) {
        let plan = planned(&two_gates(), &wishes);
        let text = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<PluginPlan>(&text).unwrap(), plan);
    }
}
