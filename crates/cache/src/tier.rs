//! A set of entries bounded by bytes that is fair to owners.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use hashlink::{DefaultHashBuilder, LinkedHashMap};

use crate::entry::{Id, Key, Owner};

/// One tier. An owner may fill all of it while there is room; when there is none, owners that take more than their share give way first.
///
/// Finding whom to evict looks at every owner once, which takes about as long as one system call with a thousand owners.
pub(crate) struct Tier<V> {
    limit: u64,
    share: u64,
    bytes: u64,
    /// Bytes of the limit that something else takes.
    reserved: u64,
    length: usize,
    /// Counts uses, so that the ages of entries of different owners can be compared.
    uses: u64,
    evictions: u64,
    shelves: HashMap<Owner, Shelf<V>, DefaultHashBuilder>,
}

/// The entries of one owner, least recently used first.
struct Shelf<V> {
    bytes: u64,
    items: LinkedHashMap<Key, Item<V>>,
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self { bytes: 0, items: LinkedHashMap::new() }
    }
}

struct Item<V> {
    value: V,
    charge: u64,
    used: u64,
}

/// What had to go to make room.
pub(crate) type Evicted<V> = Vec<(Id, V)>;

impl<V> Tier<V> {
    /// `limit` in bytes; `share` is the part of it, from 0 to 1, that an owner keeps when others need room.
    pub(crate) fn new(limit: u64, share: f64) -> Self {
        Self {
            limit,
            share: (limit as f64 * share.clamp(0.0, 1.0)) as u64,
            bytes: 0,
            reserved: 0,
            length: 0,
            uses: 0,
            evictions: 0,
            shelves: HashMap::default(),
        }
    }

    /// Bytes charged; never more than the limit.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Leaves so many bytes fewer to entries. Those that are there stay until the next one comes.
    pub(crate) fn reserve(&mut self, bytes: u64) {
        self.reserved += bytes;
    }

    /// Gives back what was reserved.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.reserved -= bytes;
    }

    /// Number of entries.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Entries evicted so far.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Looks without using.
    pub(crate) fn peek(&self, id: Id) -> Option<&V> {
        self.shelves.get(&id.owner)?.items.get(&id.key).map(|item| &item.value)
    }

    /// Looks, and makes it the most recently used one.
    pub(crate) fn touch(&mut self, id: Id) -> Option<&mut V> {
        let item = self.shelves.get_mut(&id.owner)?.items.to_back(&id.key)?;
        self.uses += 1;
        item.used = self.uses;
        Some(&mut item.value)
    }

    /// Takes an entry in as the most recently used one. An entry of this name must have been removed before. What is evicted can be
    /// the entry itself.
    pub(crate) fn insert(&mut self, id: Id, value: V, charge: u64) -> Evicted<V> {
        self.uses += 1;
        let item = Item { value, charge, used: self.uses };
        let shelf = self.shelves.entry(id.owner).or_default();
        shelf.items.insert(id.key, item);
        self.count(id.owner, charge);
        self.make_room()
    }

    /// Takes an entry in as the least recently used one.
    pub(crate) fn insert_cold(&mut self, id: Id, value: V, charge: u64) -> Evicted<V> {
        let shelf = self.shelves.entry(id.owner).or_default();
        shelf.items.insert_front(id.key, Item { value, charge, used: 0 });
        self.count(id.owner, charge);
        self.make_room()
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, id: Id) -> Option<V> {
        let shelf = self.shelves.get_mut(&id.owner)?;
        let item = shelf.items.remove(&id.key)?;
        shelf.bytes -= item.charge;
        if shelf.items.is_empty() {
            self.shelves.remove(&id.owner);
        }
        self.bytes -= item.charge;
        self.length -= 1;
        Some(item.value)
    }

    /// Names of all entries of an owner.
    pub(crate) fn of_owner(&self, owner: Owner) -> impl Iterator<Item = Id> + use<'_, V> {
        self.shelves
            .get(&owner)
            .into_iter()
            .flat_map(move |shelf| shelf.items.keys().map(move |&key| Id { owner, key }))
    }

    fn count(&mut self, owner: Owner, charge: u64) {
        if let Some(shelf) = self.shelves.get_mut(&owner) {
            shelf.bytes += charge;
        }
        self.bytes += charge;
        self.length += 1;
    }

    fn make_room(&mut self) -> Evicted<V> {
        let mut evicted = Vec::new();
        while self.bytes + self.reserved > self.limit {
            let Some(id) = self.next_to_go() else { break };
            if let Some(value) = self.remove(id) {
                self.evictions += 1;
                evicted.push((id, value));
            }
        }
        evicted
    }

    /// The least recently used entry of the owner that takes most, if that is over its share; else of all owners.
    fn next_to_go(&self) -> Option<Id> {
        let greedy =
            self.shelves.iter().filter(|(_, shelf)| shelf.bytes > self.share).max_by_key(|(_, shelf)| shelf.bytes);
        let oldest = |shelf: &Shelf<V>| shelf.items.front().map(|(_, item)| item.used);
        let (&owner, shelf) = greedy.or_else(|| self.shelves.iter().min_by_key(|(_, shelf)| oldest(shelf)))?;
        shelf.items.front().map(|(&key, _)| Id { owner, key })
    }
}
