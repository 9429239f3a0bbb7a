//! Plugins that are ready to be called: by digest, and by the slot that somebody put them into.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arc_swap::ArcSwap;
use interlock_ledger::Digest;

use crate::plugin::Plugin;

/// Readers never wait: they see the shelf before a change or after it.
pub struct Shelf {
    books: ArcSwap<Books>,
    spares_max: usize,
}

/// One state of the shelf. `T` so that tests need no wasm.
#[derive(Debug)]
struct Books<T = Plugin> {
    by_digest: HashMap<Digest, Arc<T>>,
    /// For example `acme/maintenance-window`.
    slots: HashMap<String, Digest>,
    /// Everything by last installation or binding, oldest first.
    order: VecDeque<Digest>,
}

impl<T> Default for Books<T> {
    fn default() -> Self {
        Self { by_digest: HashMap::new(), slots: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Clone for Books<T> {
    fn clone(&self) -> Self {
        Self { by_digest: self.by_digest.clone(), slots: self.slots.clone(), order: self.order.clone() }
    }
}

impl Shelf {
    pub(crate) fn new(spares_max: u32) -> Self {
        Self { books: ArcSwap::default(), spares_max: spares_max as usize }
    }

    /// The plugin with this digest, if it is ready.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Arc<Plugin>> {
        self.books.load().by_digest.get(digest).cloned()
    }

    /// The plugin that a slot holds now.
    #[must_use]
    pub fn bound(&self, slot: &str) -> Option<Arc<Plugin>> {
        let books = self.books.load();
        books.slots.get(slot).and_then(|digest| books.by_digest.get(digest)).cloned()
    }

    /// The plugins that slots hold now, by slot.
    #[must_use]
    pub fn all_bound(&self) -> Vec<Arc<Plugin>> {
        let books = self.books.load();
        let mut slots: Vec<_> = books.slots.iter().collect();
        slots.sort();
        slots.into_iter().filter_map(|(_, digest)| books.by_digest.get(digest).cloned()).collect()
    }

    /// Puts a plugin into a slot, at once for everybody. Calls that run keep the one they started with. The slot's
    /// former plugin stays ready as a spare until newer spares push it out.
    pub fn bind(&self, slot: &str, plugin: &Arc<Plugin>) {
        self.books.rcu(|books| books.with(plugin.digest(), plugin, Some(slot), self.spares_max));
    }

    /// The plugins that slots hold now, with the slots' names, in their order.
    #[must_use]
    pub fn slots(&self) -> Vec<(String, Arc<Plugin>)> {
        let books = self.books.load();
        let held = books.slots.iter().filter_map(|(slot, digest)| {
            books.by_digest.get(digest).map(|plugin| (slot.clone(), Arc::clone(plugin)))
        });
        let mut slots: Vec<_> = held.collect();
        slots.sort_by(|one, other| one.0.cmp(&other.0));
        slots
    }

    /// Has exactly these plugins in the slots whose names begin with `prefix`, each in the slot `prefix` and its own name:
    /// all at once for everybody. Calls that run keep the one they started with.
    pub fn bind_all(&self, prefix: &str, plugins: &[(String, Arc<Plugin>)]) {
        self.books.rcu(|books| {
            let named = plugins.iter().map(|(name, plugin)| (name.as_str(), plugin.digest(), plugin));
            books.with_all(prefix, named, self.spares_max)
        });
    }

    /// Empties a slot.
    pub fn unbind(&self, slot: &str) {
        self.books.rcu(|books| books.without(slot, self.spares_max));
    }

    /// Keeps a plugin ready under its digest.
    pub(crate) fn keep(&self, plugin: &Arc<Plugin>) {
        self.books.rcu(|books| books.with(plugin.digest(), plugin, None, self.spares_max));
    }

    /// How many plugins are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.books.load().by_digest.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Books<T> {
    fn with(&self, digest: Digest, plugin: &Arc<T>, slot: Option<&str>, spares_max: usize) -> Self {
        let mut next = self.clone();
        next.by_digest.insert(digest, Arc::clone(plugin));
        next.order.retain(|other| *other != digest);
        next.order.push_back(digest);
        if let Some(slot) = slot {
            next.slots.insert(slot.to_owned(), digest);
        }
        next.drop_surplus(spares_max);
        next
    }

    fn with_all<'a>(
        &self,
        prefix: &str,
        plugins: impl Iterator<Item = (&'a str, Digest, &'a Arc<T>)>,
        spares_max: usize,
    ) -> Self
    where
        T: 'a,
    {
        let mut next = self.clone();
        next.slots.retain(|slot, _| !slot.starts_with(prefix));
        for (name, digest, plugin) in plugins {
            next.by_digest.insert(digest, Arc::clone(plugin));
            next.order.retain(|other| *other != digest);
            next.order.push_back(digest);
            next.slots.insert(format!("{prefix}{name}"), digest);
        }
        next.drop_surplus(spares_max);
        next
    }

    fn without(&self, slot: &str, spares_max: usize) -> Self {
        let mut next = self.clone();
        next.slots.remove(slot);
        next.drop_surplus(spares_max);
        next
    }

    /// What a slot holds is never dropped.
    fn drop_surplus(&mut self, spares_max: usize) {
        let bound: std::collections::HashSet<Digest> = self.slots.values().copied().collect();
        let mut surplus = self.order.iter().filter(|d| !bound.contains(d)).count().saturating_sub(spares_max);
        let by_digest = &mut self.by_digest;
        self.order.retain(|digest| {
            let stays = bound.contains(digest) || surplus == 0;
            if !stays {
                surplus -= 1;
                by_digest.remove(digest);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(books: &Books<&'static str>, name: &'static str, slot: Option<&str>) -> Books<&'static str> {
        books.with(Digest::of(name), &Arc::new(name), slot, 2)
    }

    fn ready(books: &Books<&'static str>) -> Vec<&'static str> {
        assert_eq!(books.order.len(), books.by_digest.len());
        books.order.iter().filter_map(|digest| books.by_digest.get(digest)).map(|name| **name).collect()
    }

    #[test]
    fn the_oldest_spare_makes_room() {
        let books = ["a", "b", "c"].iter().fold(Books::default(), |books, name| put(&books, name, None));
        assert_eq!(ready(&books), ["b", "c"]);
        assert_eq!(ready(&put(&put(&books, "b", None), "d", None)), ["b", "d"]);
    }

    #[test]
    fn what_a_slot_holds_stays() {
        let books = put(&Books::default(), "gate", Some("acme/gate"));
        let books = ["a", "b", "c"].iter().fold(books, |books, name| put(&books, name, None));
        assert_eq!(ready(&books), ["gate", "b", "c"]);
    }

    #[test]
    fn slots_of_one_prefix_change_all_at_once_and_no_others() {
        let books = put(&put(&Books::default(), "old", Some("acme/a")), "other", Some("mercy/a"));
        let plugins = [("a", Arc::new("new")), ("b", Arc::new("more"))];
        let named = plugins.iter().map(|(name, plugin)| (*name, Digest::of(**plugin), plugin));
        let books = books.with_all("acme/", named, 2);
        assert_eq!(books.slots["acme/a"], Digest::of("new"));
        assert_eq!(books.slots["acme/b"], Digest::of("more"));
        assert_eq!(books.slots["mercy/a"], Digest::of("other"));
        assert_eq!(ready(&books), ["old", "other", "new", "more"]);
        let books = books.with_all("acme/", std::iter::empty(), 0);
        assert_eq!((ready(&books), books.slots.len()), (vec!["other"], 1));
    }

    #[test]
    fn a_replaced_plugin_becomes_a_spare() {
        let books = put(&put(&Books::default(), "old", Some("acme/gate")), "new", Some("acme/gate"));
        assert_eq!(ready(&books), ["old", "new"]);
        assert_eq!(books.slots["acme/gate"], Digest::of("new"));
        let books = put(&put(&books, "x", None), "y", None);
        assert_eq!(ready(&books), ["new", "x", "y"]);
        assert_eq!(ready(&books.without("acme/gate", 2)), ["x", "y"]);
    }
}
