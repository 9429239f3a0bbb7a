//! What an operator sets for the gate.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// How ids of tickets begin; digits follow: `CHG`, `OPS-`.
    #[default]
    #[schemars(length(max = 20))]
    pub prefixes: Vec<String>,
    /// JSON pointers into the manifest: what to look for ids in, besides the title.
    #[default(vec!["/description".into()])]
    pub look_in: Vec<String>,
    /// One ticket for all changes, instead of one that each change names.
    #[default]
    pub ticket: Option<String>,
    /// Where the facts stand in the answer of the ticket system.
    pub fields: FieldSettings,
    /// The states in which work may be done, as the ticket system writes them.
    #[schemars(length(min = 1))]
    pub states: Vec<String>,
    /// What stands at `fields.approved` once the ticket is approved.
    #[default(vec!["approved".into(), "true".into()])]
    pub approved: Vec<String>,
    /// What the ticket must name, so that an old ticket does not serve for everything.
    #[default]
    pub must_name: Vec<Subject>,
    /// The ticket must have a window; otherwise one without a window is open at any time.
    #[default(false)]
    pub window_required: bool,
    /// Whoever approved the ticket must not be the author of the change. Needs `fields.approvers`.
    #[default(false)]
    pub distinct_approver: bool,
}

/// JSON pointers (RFC 6901) into the answer of the ticket system.
#[settings]
pub struct FieldSettings {
    /// The ticket's id; where given, another ticket's answer is a fault.
    #[default]
    pub id: Option<String>,
    /// The state.
    pub state: String,
    /// Whether it is approved; left out, the state says it.
    #[default]
    pub approved: Option<String>,
    /// Who approved it: a text, an object with texts, or a list of either.
    #[default]
    pub approvers: Option<String>,
    /// When work may begin.
    #[default]
    pub start: Option<String>,
    /// When work must end.
    #[default]
    pub end: Option<String>,
    /// Where `must_name` looks: every text there and below. Left out, the whole answer.
    #[default(vec![String::new()])]
    pub texts: Vec<String>,
}

/// What a ticket may have to name.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Subject {
    /// The environment.
    Environment,
    /// Every artifact, by name and version.
    Artifact,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut problem = |path: &str, message: &str| problems.push(SettingsProblem::at(path, message));
        match &self.ticket {
            Some(ticket) if ticket.trim().is_empty() => problem("/ticket", "name a ticket, or leave it out"),
            Some(_) if !self.prefixes.is_empty() => {
                problem(
                    "/ticket",
                    "one ticket for all leaves nothing to look for; leave out this or `prefixes`",
                );
            }
            None if self.prefixes.is_empty() => problem("/prefixes", "say how ids begin, for example `CHG`"),
            _ => {}
        }
        for (index, prefix) in self.prefixes.iter().enumerate() {
            if prefix.trim().is_empty() || prefix.ends_with(|c: char| c.is_ascii_digit()) {
                problem(&format!("/prefixes/{index}"), "a prefix is some text that does not end in a digit");
            }
        }
        if self.states.is_empty() {
            problem("/states", "name the states in which work may be done");
        }
        if self.approved.is_empty() && self.fields.approved.is_some() {
            problem("/approved", "name what stands there once a ticket is approved");
        }
        if self.distinct_approver && self.fields.approvers.is_none() {
            problem("/fields/approvers", "`distinct_approver` needs to know who approved");
        }
        if self.window_required && self.fields.start.is_none() && self.fields.end.is_none() {
            problem("/fields/start", "`window_required` needs to know when work may begin or must end");
        }
        if self.fields.texts.is_empty() && !self.must_name.is_empty() {
            problem("/fields/texts", "`must_name` needs somewhere to look");
        }
        for (path, pointer) in self.pointers() {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                problem(&path, "a JSON pointer begins with a slash: `/result/state`");
            }
        }
        problems
    }

    /// Every JSON pointer with its own path in the settings.
    fn pointers(&self) -> Vec<(String, &str)> {
        let fields = &self.fields;
        let optional = [
            ("id", &fields.id),
            ("approved", &fields.approved),
            ("approvers", &fields.approvers),
            ("start", &fields.start),
            ("end", &fields.end),
        ];
        let optional = optional.into_iter().filter_map(|(name, pointer)| Some((name, pointer.as_deref()?)));
        let single = [("state", fields.state.as_str())].into_iter().chain(optional);
        let named = single.map(|(name, pointer)| (format!("/fields/{name}"), pointer));
        let lists = [("/fields/texts", &fields.texts), ("/look_in", &self.look_in)];
        let listed = lists.into_iter().flat_map(|(path, list)| {
            list.iter().enumerate().map(move |(index, pointer)| (format!("{path}/{index}"), pointer.as_str()))
        });
        named.chain(listed).collect()
    }
}
