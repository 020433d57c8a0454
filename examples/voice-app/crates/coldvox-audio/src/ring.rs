//! A buffer of fixed size between a microphone, which never waits, and a listener, which may be late.

/// Keeps the newest samples; what the listener did not fetch in time is dropped and counted.
#[derive(Debug)]
pub struct RingBuffer {
    samples: Vec<i16>,
    start: usize,
    length: usize,
    dropped: usize,
}

impl RingBuffer {
    /// Room for `capacity` samples.
    ///
    /// # Panics
    /// When `capacity` is zero.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a ring buffer needs room for one sample");
        Self { samples: vec![0; capacity], start: 0, length: 0, dropped: 0 }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many samples were overwritten before anybody fetched them.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    pub fn push(&mut self, samples: &[i16]) {
        let capacity = self.samples.len();
        for &sample in samples {
            let end = (self.start + self.length) % capacity;
            self.samples[end] = sample;
            if self.length == capacity {
                self.start = (self.start + 1) % capacity;
                self.dropped += 1;
            } else {
                self.length += 1;
            }
        }
    }

    /// The oldest `count` samples, or none while there are fewer.
    pub fn pop_frame(&mut self, count: usize) -> Option<Vec<i16>> {
        if self.length < count {
            return None;
        }
        let capacity = self.samples.len();
        let frame = (0..count).map(|offset| self.samples[(self.start + offset) % capacity]).collect();
        self.start = (self.start + count) % capacity;
        self.length -= count;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_out_in_the_order_they_went_in() {
        let mut ring = RingBuffer::new(4);
        ring.push(&[1, 2, 3]);
        assert_eq!(ring.pop_frame(2), Some(vec![1, 2]));
        ring.push(&[4, 5, 6]);
        assert_eq!(ring.pop_frame(4), Some(vec![3, 4, 5, 6]));
        assert!(ring.is_empty());
    }

    #[test]
    fn an_incomplete_frame_stays_inside() {
        let mut ring = RingBuffer::new(4);
        ring.push(&[1]);
        assert_eq!(ring.pop_frame(2), None);
        assert_eq!(ring.len(), 1);
    }

    #[test]
    fn a_late_listener_loses_the_oldest_samples_and_can_tell() {
        let mut ring = RingBuffer::new(3);
        ring.push(&[1, 2, 3, 4, 5]);
        assert_eq!(ring.dropped(), 2);
        assert_eq!(ring.pop_frame(3), Some(vec![3, 4, 5]));
    }
}
