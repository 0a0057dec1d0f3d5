use proptest::prelude::*;

use super::*;

fn id(owner: i64, key: u8) -> Id {
    Id { owner: Owner(owner), key: Key([key; 32]) }
}

fn numbered(owner: i64, number: u32) -> Id {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Id { owner: Owner(owner), key: Key(key) }
}

#[test]
fn thousands_of_entries_go_in_the_order_of_their_last_use() {
    let mut tier = Tier::new(5_000, 1.0);
    for number in 0..5_000 {
        assert!(tier.insert(numbered(i64::from(number % 7), number), number, 1).is_empty());
    }
    // Every third one is used again, backwards.
    for number in (0..5_000).rev().filter(|number| number % 3 == 0) {
        assert_eq!(tier.touch(numbered(i64::from(number % 7), number)), Some(&mut { number }));
    }
    let unused = (0..5_000).filter(|number| number % 3 != 0);
    let used = (0..5_000).rev().filter(|number| number % 3 == 0);
    for (newcomer, expected) in (5_000..).zip(unused.chain(used)) {
        let evicted = tier.insert(numbered(100, newcomer), newcomer, 1);
        assert_eq!(evicted.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [expected]);
    }
    assert_eq!((tier.length(), tier.bytes(), tier.evictions()), (5_000, 5_000, 5_000));
}

#[test]
fn an_owner_over_its_share_gives_way_and_the_others_stay() {
    let mut tier = Tier::new(100, 0.5);
    for key in 0..10 {
        assert!(tier.insert(id(1, key), (), 10).is_empty(), "an owner alone may take everything");
    }
    for key in 0..5 {
        let evicted = tier.insert(id(2, key), (), 10);
        assert_eq!(evicted, [(id(1, key), ())], "the second owner takes its share from the first");
    }
    for key in 10..200 {
        let evicted = tier.insert(id(1, key), (), 10);
        assert_eq!(evicted.len(), 1);
        assert_eq!(evicted[0].0.owner, Owner(1), "a flood drives out nothing but its own");
    }
    assert_eq!(tier.of_owner(Owner(2)).count(), 5);
    assert_eq!(
        tier.insert(id(1, 250), (), 101),
        [(id(1, 195), ()), (id(1, 196), ()), (id(1, 197), ()), (id(1, 198), ()), (id(1, 199), ()), (id(1, 250), ())]
    );
    assert_eq!((tier.length(), tier.bytes()), (5, 50), "what fits nowhere drives out nobody else");
}

#[test]
fn cold_entries_go_first() {
    let mut tier = Tier::new(3, 1.0);
    tier.insert(id(1, 1), (), 1);
    tier.insert_cold(id(2, 2), (), 1);
    tier.insert_cold(id(1, 3), (), 1);
    let mut order = Vec::new();
    for key in 10..13 {
        order.extend(tier.insert(id(9, key), (), 1).into_iter().map(|(id, ())| id.key.0[0]));
    }
    order[..2].sort_unstable();
    assert_eq!(order, [2, 3, 1]);
}

#[test]
fn what_is_reserved_is_no_room_for_entries() {
    let mut tier = Tier::new(3, 1.0);
    tier.reserve(2);
    assert!(tier.insert(id(1, 1), (), 1).is_empty());
    assert_eq!(tier.insert(id(1, 2), (), 1), [(id(1, 1), ())]);
    tier.reserve(2);
    assert_eq!(tier.insert(id(1, 3), (), 1), [(id(1, 2), ()), (id(1, 3), ())], "not even for the new one");
    tier.release(3);
    assert!(tier.insert(id(1, 4), (), 1).is_empty() && tier.insert(id(1, 5), (), 1).is_empty());
}

/// The same in the simplest way: one list, in the order of use.
struct Model {
    limit: u64,
    share: u64,
    items: Vec<(Id, u64)>,
}

impl Model {
    fn bytes(&self, owner: Option<Owner>) -> u64 {
        self.items.iter().filter(|(id, _)| owner.is_none_or(|owner| id.owner == owner)).map(|(_, charge)| charge).sum()
    }

    fn remove(&mut self, id: Id) -> Option<(Id, u64)> {
        let position = self.items.iter().position(|item| item.0 == id)?;
        Some(self.items.remove(position))
    }

    /// Whom eviction may take from: those that take most, if they are over the share; else everybody.
    fn givers(&self) -> Vec<Owner> {
        let owners: Vec<Owner> = self.items.iter().map(|(id, _)| id.owner).collect();
        let most = owners.iter().map(|&owner| self.bytes(Some(owner))).max().unwrap_or(0);
        owners.into_iter().filter(|&owner| most <= self.share || self.bytes(Some(owner)) == most).collect()
    }

    /// Follows an eviction, if it is one that is allowed.
    fn evict(&mut self, evicted: Id) {
        let givers = self.givers();
        assert!(self.bytes(None) > self.limit, "evicted although there is room");
        assert!(givers.contains(&evicted.owner), "evicted of an owner who need not give");
        let among =
            |id: &Id| if self.bytes(Some(evicted.owner)) > self.share { id.owner == evicted.owner } else { true };
        let oldest = self.items.iter().map(|(id, _)| *id).find(among);
        assert_eq!(oldest, Some(evicted), "evicted what is not the oldest");
        self.remove(evicted);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Id, u64),
    Touch(Id),
    Remove(Id),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || (0..4i64, 0..12u8).prop_map(|(owner, key)| id(owner, key));
    let step = prop_oneof![
        5 => (ids(), 1..60u64).prop_map(|(id, charge)| Step::Insert(id, charge)),
        3 => ids().prop_map(Step::Touch),
        1 => ids().prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn it_does_what_a_list_would_do(limit in 1..300u64, share in 0.0..1.0f64, steps in steps()) {
        let mut tier = Tier::new(limit, share);
        let mut model = Model { limit, share: (limit as f64 * share) as u64, items: Vec::new() };
        for step in steps {
            match step {
                Step::Insert(id, charge) => {
                    prop_assert_eq!(tier.remove(id).is_some(), model.remove(id).is_some());
                    model.items.push((id, charge));
                    for (evicted, _) in tier.insert(id, (), charge) {
                        model.evict(evicted);
                    }
                }
                Step::Touch(id) => {
                    let known = model.remove(id);
                    prop_assert_eq!(tier.touch(id).is_some(), known.is_some());
                    model.items.extend(known);
                }
                Step::Remove(id) => prop_assert_eq!(tier.remove(id).is_some(), model.remove(id).is_some()),
            }
            prop_assert!(tier.bytes() <= limit);
            prop_assert_eq!(tier.bytes(), model.bytes(None));
            prop_assert_eq!(tier.length(), model.items.len());
            prop_assert!(model.items.iter().all(|(id, _)| tier.peek(*id).is_some()));
        }
    }
}
