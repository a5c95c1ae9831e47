//! Who fell silent for good is forgotten.

use crate::device::Device;
use crate::engine::Engine;

impl Engine {
    /// Forgets devices that are not configured and have said nothing for long.
    pub(crate) fn sweep(&mut self) {
        let before = self.now.saturating_sub(self.config.forget_after_ms);
        for id in 0..self.devices.len() as u32 {
            let d = &self.devices[id as usize];
            let open = |&(rule, slot): &(u32, u32)| {
                self.runs[rule as usize].slots[slot as usize].open_episode().is_some()
            };
            if d.dead
                || d.heard >= before
                || self.set.city.devices.contains_key(&d.name)
                || d.slots.iter().any(open)
            {
                continue;
            }
            self.forget(id);
            self.forgotten_devices += 1;
        }
    }

    /// Frees a device with its slots.
    pub(crate) fn forget(&mut self, id: u32) {
        let d = &mut self.devices[id as usize];
        let (name, slots) = (d.name.clone(), std::mem::take(&mut d.slots));
        *d = Device { dead: true, ..Device::new("".into()) };
        self.device_ids.remove(&name);
        self.free_devices.push(id);
        for (rule, slot) in slots {
            self.runs[rule as usize].release(slot);
        }
    }
}
