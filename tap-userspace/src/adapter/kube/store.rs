//! What a watch has told so far.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;

/// Objects by key, kept in step with a watch. While the watch lists anew, the
/// old objects stay; the list replaces them when it is complete.
#[derive(Debug)]
pub(super) struct Store<K, V> {
    objects: BTreeMap<K, V>,
    listed: Option<BTreeMap<K, V>>,
    synced: bool,
}

impl<K, V> Default for Store<K, V> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            listed: None,
            synced: false,
        }
    }
}

impl<K: Ord, V: PartialEq> Store<K, V> {
    /// The objects as last known.
    pub(super) fn objects(&self) -> &BTreeMap<K, V> {
        &self.objects
    }

    /// Whether a list was ever complete.
    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Takes in one event. Objects that the caller has no use for come as
    /// `None`. Says whether [`Self::objects`] or [`Self::is_synced`] changed.
    pub(super) fn apply(&mut self, event: Event<Option<(K, V)>>) -> bool {
        match event {
            Event::Init => {
                self.listed = Some(BTreeMap::new());
                false
            }
            Event::InitApply(object) => {
                self.listed.get_or_insert_default().extend(object);
                false
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let changed = !self.synced || listed != self.objects;
                self.objects = listed;
                self.synced = true;
                changed
            }
            Event::Apply(Some((key, value))) => {
                if self.objects.get(&key) == Some(&value) {
                    return false;
                }
                self.objects.insert(key, value);
                true
            }
            Event::Delete(Some((key, _))) => self.objects.remove(&key).is_some(),
            Event::Apply(None) | Event::Delete(None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(key: u8, value: u8) -> Option<(u8, u8)> {
        Some((key, value))
    }

    fn objects(store: &Store<u8, u8>) -> Vec<(u8, u8)> {
        store.objects().iter().map(|(k, v)| (*k, *v)).collect()
    }

    #[test]
    fn nothing_is_there_before_the_first_list_is_complete() {
        let mut store = Store::default();
        assert!(!store.apply(Event::Init));
        assert!(!store.apply(Event::InitApply(some(1, 1))));
        assert!(!store.is_synced());
        assert_eq!(objects(&store), []);
        assert!(store.apply(Event::InitDone));
        assert!(store.is_synced());
        assert_eq!(objects(&store), [(1, 1)]);
    }

    #[test]
    fn an_empty_first_list_is_a_change() {
        let mut store: Store<u8, u8> = Store::default();
        store.apply(Event::Init);
        assert!(store.apply(Event::InitDone));
    }

    #[test]
    fn a_new_list_replaces_the_old_one_at_once() {
        let mut store = Store::default();
        store.apply(Event::Init);
        store.apply(Event::InitApply(some(1, 1)));
        store.apply(Event::InitApply(some(2, 2)));
        store.apply(Event::InitDone);
        store.apply(Event::Init);
        store.apply(Event::InitApply(some(2, 2)));
        assert_eq!(objects(&store), [(1, 1), (2, 2)]);
        // That list broke off; the next begins from nothing.
        store.apply(Event::Init);
        store.apply(Event::InitApply(some(1, 1)));
        store.apply(Event::InitApply(some(3, 3)));
        assert!(store.apply(Event::InitDone));
        assert_eq!(objects(&store), [(1, 1), (3, 3)]);
    }

    #[test]
    fn what_changes_nothing_is_no_change() {
        let mut store = Store::default();
        store.apply(Event::Init);
        store.apply(Event::InitApply(some(1, 1)));
        store.apply(Event::InitDone);
        assert!(!store.apply(Event::Apply(some(1, 1))));
        assert!(!store.apply(Event::Apply(None)));
        assert!(!store.apply(Event::Delete(some(9, 9))));
        store.apply(Event::Init);
        store.apply(Event::InitApply(some(1, 1)));
        assert!(!store.apply(Event::InitDone));
        assert!(store.apply(Event::Apply(some(1, 2))));
        assert!(store.apply(Event::Delete(some(1, 0))));
        assert_eq!(objects(&store), []);
    }
}
