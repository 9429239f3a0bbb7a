//! What somebody sees of a list: the policies are asked once for each environment, and what may not be read is left out.

use std::collections::BTreeMap;

use interlock_domain::{Action, Actor, Decision, Environment, Resource};
use interlock_store::{Page, StoreError};

use super::{
    ask::{ask, may_read, note_read, question},
    change::tenant,
};
use crate::{App, FlowError};

/// Where one reader may look.
pub(crate) struct Sight<'a> {
    app: &'a App,
    who: &'a Actor,
    action: Action,
    asked: BTreeMap<Environment, bool>,
    /// The only places to look in; everywhere when absent.
    only: Option<Vec<Environment>>,
}

impl<'a> Sight<'a> {
    /// Asks where `who` may look: in the environment that they chose, or else in the whole tenant, or else in those
    /// for which they hold a role. Whoever may look nowhere is denied, on record.
    pub(crate) async fn of(
        app: &'a App,
        who: &'a Actor,
        action: Action,
        chosen: Option<&Environment>,
    ) -> Result<Self, FlowError> {
        let mut sight = Self { app, who, action, asked: BTreeMap::new(), only: None };
        if let Some(chosen) = chosen {
            may_read(app, who, action, place(who, chosen)).await?;
            sight.asked.insert(chosen.clone(), true);
            sight.only = Some(vec![chosen.clone()]);
        } else if let Some(decision) = sight.allowed(tenant(who)) {
            note_read(app, who, decision).await?;
        } else {
            let mut held: Vec<_> = who.roles.iter().filter_map(|grant| grant.environment.clone()).collect();
            held.sort();
            held.dedup();
            held.retain(|environment| sight.sees(environment));
            if held.is_empty() {
                may_read(app, who, action, tenant(who)).await?;
            }
            for environment in &held {
                if let Some(decision) = sight.allowed(place(who, environment)) {
                    note_read(app, who, decision).await?;
                }
            }
            sight.only = Some(held);
        }
        Ok(sight)
    }

    /// Enough of what they see for one page, in no order: the caller sorts and cuts. `part` reads a page of one
    /// environment, or of the whole tenant; `row` says where a row is and what its id is.
    pub(crate) async fn list<T, Part>(
        &mut self,
        page: &Page,
        part: impl Fn(Option<Environment>, Page) -> Part,
        row: impl Fn(&T) -> (&Environment, &str),
    ) -> Result<Vec<T>, FlowError>
    where
        Part: Future<Output = Result<Vec<T>, StoreError>>,
    {
        let limit = page.limit as usize;
        let mut found = Vec::new();
        for environment in self.places() {
            let (mut page, mut here) = (page.clone(), Vec::new());
            loop {
                let rows = part(environment.clone(), page.clone()).await?;
                page.after = rows.last().filter(|_| rows.len() >= limit).map(|last| row(last).1.to_owned());
                here.extend(rows.into_iter().filter(|each| self.sees(row(each).0)));
                if page.after.is_none() || here.len() >= limit {
                    break;
                }
            }
            found.extend(here);
        }
        Ok(found)
    }

    /// One after the other; one without a name is the whole tenant.
    fn places(&self) -> Vec<Option<Environment>> {
        match &self.only {
            Some(only) => only.iter().cloned().map(Some).collect(),
            None => vec![None],
        }
    }

    /// Whether they see what is in this environment.
    fn sees(&mut self, environment: &Environment) -> bool {
        if let Some(seen) = self.asked.get(environment) {
            return *seen;
        }
        let seen = self.allowed(place(self.who, environment)).is_some();
        self.asked.insert(environment.clone(), seen);
        seen
    }

    /// The answer, if it is yes.
    fn allowed(&self, resource: Resource) -> Option<Decision> {
        let now = self.app.clock.now();
        let decision = ask(self.app, None, question(self.who, self.action, resource, now));
        decision.permit().is_some().then_some(decision)
    }
}

/// An environment of the reader's tenant, as a place of devices and changes.
pub(crate) fn place(who: &Actor, environment: &Environment) -> Resource {
    Resource::Environment { tenant: who.tenant.clone(), environment: environment.clone(), change_kind: None }
}
