//! The merge of two sibling classes.

use super::Interleaved;
use crate::sequence::NotSiblings;

impl Interleaved {
    /// Joins two sibling classes to one class, plus the earlier numbers of one that lagged. O(1).
    ///
    /// Siblings have the same step 2s, lie s apart, and end at the same limit. They need not come from the same split.
    /// The first result is the class with step s that starts above everything that either has issued. The second is the
    /// remainder, if one sibling lagged: its numbers below that start. Issue them too, or they are lost. A remainder
    /// below a durable bound does not survive a restart by itself: see [what must survive a
    /// restart](Self#state-that-must-survive-a-restart).
    ///
    /// # Errors
    ///
    /// [`NotSiblings`] returns both classes, unchanged.
    ///
    /// ```
    /// use happens_before::sequence::Interleaved;
    ///
    /// let mut a = Interleaved::new(1, 1).unwrap();
    /// let mut b = a.split()?;
    /// assert!(b.by_ref().take(2).eq([2, 4]));
    ///
    /// let (mut merged, remainder) = a.merge(b)?;
    /// assert!(merged.by_ref().take(3).eq([5, 6, 7]));
    /// assert!(remainder.unwrap().eq([1, 3]));
    ///
    /// let odd = Interleaved::new(1, 3).unwrap();
    /// assert_eq!(merged.merge(odd).unwrap_err().left.peek(), Some(8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge(self, other: Self) -> Result<(Self, Option<Self>), NotSiblings> {
        let step = self.step / 2;
        // Ends that are s apart imply two facts (IL3): the classes lie s apart, and no number between is missing.
        let siblings =
            self.step == other.step && self.step.is_multiple_of(2) && self.last.abs_diff(other.last) == step;
        if !siblings {
            return Err(NotSiblings { left: self, right: other });
        }
        // No underflow: `ahead` is at least `behind + s`, for they are an odd number of s apart. An exhausted
        // class counts as being at the end, so `behind` never claims numbers past its own last.
        let (behind, ahead) = (self.next.min(other.next), self.next.max(other.next));
        let merged = Self { next: ahead - step, step, last: self.last.max(other.last) };
        let remainder = (ahead - behind > step).then(|| {
            // No underflow: here `ahead` is at least `behind + 3 s`. No overflow: 3 s is at most `ahead`.
            Self { next: behind, step: self.step, last: ahead - 3 * step }
        });
        merged.debug_validate();
        remainder.iter().for_each(Self::debug_validate);
        Ok((merged, remainder))
    }
}
