//! Which device speaks through which.

use std::collections::{BTreeSet, HashMap, VecDeque};

use ioc_model::{City, Name};

/// Parents and children of the configured devices; built once for each configuration.
#[derive(Clone, Debug, Default)]
pub struct DeviceTree {
    parent: HashMap<Name, Name>,
    children: HashMap<Name, Vec<Name>>,
}

impl DeviceTree {
    /// Levels that are looked at, so that a chain that leads back into itself ends.
    pub const DEPTH: usize = 16;

    /// The tree of a city.
    pub fn new(city: &City) -> Self {
        let mut tree = Self::default();
        for device in city.devices.values() {
            if let Some(parent) = device.parent.as_ref().filter(|p| **p != device.id) {
                tree.parent.insert(device.id.clone(), parent.clone());
                tree.children.entry(parent.clone()).or_default().push(device.id.clone());
            }
        }
        tree
    }

    /// The devices above one, nearest first, without itself.
    pub fn above<'a>(&'a self, device: &'a str) -> Vec<&'a Name> {
        let mut chain: Vec<&Name> = Vec::new();
        let mut at = device;
        while let Some(up) = self.parent.get(at) {
            if chain.len() == Self::DEPTH || &**up == device || chain.contains(&up) {
                break;
            }
            chain.push(up);
            at = up;
        }
        chain
    }

    /// Others speak through it.
    pub fn is_parent(&self, device: &str) -> bool {
        self.children.contains_key(device)
    }

    /// The topmost device above one, or itself if others speak through it.
    pub fn top<'a>(&'a self, device: &'a str) -> Option<&'a str> {
        match self.above(device).last() {
            // In a ring nobody is on top: the same one for all of them.
            Some(top) if self.parent.contains_key(*top) => {
                self.above(device).into_iter().map(|n| &**n).chain([device]).min()
            }
            Some(top) => Some(top),
            None => self.is_parent(device).then_some(device),
        }
    }

    /// The device and all below it.
    pub fn with_below(&self, device: &Name) -> BTreeSet<Name> {
        let mut all = BTreeSet::from([device.clone()]);
        let mut todo = VecDeque::from([(device, 0)]);
        while let Some((at, depth)) = todo.pop_front() {
            for child in self.children.get(at).into_iter().flatten() {
                if depth < Self::DEPTH && all.insert(child.clone()) {
                    todo.push_back((child, depth + 1));
                }
            }
        }
        all
    }

    /// True if `device` is `top` or below it.
    pub fn is_within(&self, device: &str, top: &str) -> bool {
        device == top || self.above(device).iter().any(|up| &***up == top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::city;

    #[test]
    fn a_chain_is_followed_up_and_down() {
        let tree = DeviceTree::new(&city(&[("cam", "gw"), ("gw", "station"), ("cam2", "gw")]));
        assert_eq!(tree.above("cam"), [&Name::from("gw"), &Name::from("station")]);
        assert_eq!(tree.top("cam"), Some("station"));
        assert_eq!(tree.top("station"), Some("station"));
        assert_eq!(tree.top("alone"), None);
        assert_eq!(tree.with_below(&"gw".into()).len(), 3);
        assert!(tree.is_within("cam", "station") && !tree.is_within("station", "cam"));
        assert!(tree.is_parent("gw") && !tree.is_parent("cam"));
    }

    #[test]
    fn a_ring_and_a_device_that_is_its_own_parent_end() {
        let tree = DeviceTree::new(&city(&[("a", "b"), ("b", "c"), ("c", "a"), ("s", "s")]));
        assert_eq!(tree.above("a").len(), 2);
        for device in ["a", "b", "c"] {
            assert_eq!(tree.top(device), Some("a"), "{device}");
        }
        assert_eq!(tree.with_below(&"a".into()).len(), 3);
        let tree = DeviceTree::new(&city(&[("x", "a"), ("a", "b"), ("b", "a")]));
        assert_eq!(tree.above("x").len(), 2, "it leads into a ring");
        assert_eq!(tree.top("x"), tree.top("a"));
        assert_eq!(tree.top("s"), None);
    }

    #[test]
    fn a_long_chain_ends_after_its_depth() {
        let pairs: Vec<(String, String)> =
            (0..40).map(|n| (format!("d{n:02}"), format!("d{:02}", n + 1))).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        let tree = DeviceTree::new(&city(&pairs));
        assert_eq!(tree.above("d00").len(), DeviceTree::DEPTH);
        assert_eq!(tree.with_below(&"d40".into()).len(), DeviceTree::DEPTH + 1);
    }
}
