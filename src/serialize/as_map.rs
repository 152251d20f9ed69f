//! The form of a version vector as a map from ids to counters, for a field with
//! `#[serde(with = "happens_before::serialize::as_map")]`.
//!
//! As JSON it is an object. Its keys are strings, so ids that are numbers reach JavaScript unchanged. The serde format
//! must accept such ids as keys. JSON accepts strings, integers and [`TextId`](crate::node::TextId)s.
//!
//! Entries are written in the order of the ids. They are read in any order, since other programs keep none. A node that
//! appears twice is refused, and so is a counter of 0. O(n log n).
//!
//! # Examples
//!
//! ```
//! use happens_before::VersionVector;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Document {
//!     text: String,
//!     #[serde(with = "happens_before::serialize::as_map")]
//!     seen: VersionVector<u64>,
//! }
//!
//! let seen = VersionVector::from_iter([(0x9E37_79B9_7F4A_7C15, 3), (7, 1)]);
//! let document = Document { text: "tea".to_string(), seen };
//! let json = serde_json::to_string(&document).unwrap();
//! assert_eq!(json, r#"{"text":"tea","seen":{"7":1,"11400714819323198485":3}}"#);
//! assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
//! ```

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::compat::Vec;
use crate::version::VersionVector;

/// Serializes a vector as a map.
///
/// # Errors
///
/// Those of the serializer, which may not take these ids as keys.
pub fn serialize<I: Serialize, S: Serializer>(
    vector: &VersionVector<I>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(vector)
}

/// Deserializes a vector from a map.
///
/// # Errors
///
/// Those of the deserializer, a node that appears twice, and a counter of 0.
pub fn deserialize<'de, I: Ord + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<VersionVector<I>, D::Error> {
    deserializer.deserialize_map(Entries(PhantomData))
}

struct Entries<I>(PhantomData<I>);

impl<'de, I: Ord + Deserialize<'de>> Visitor<'de> for Entries<I> {
    type Value = VersionVector<I>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from nodes to counters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VersionVector<I>, A::Error> {
        let mut entries = Vec::new();
        while let Some((node, counter)) = map.next_entry()? {
            if counter == 0 {
                return Err(Error::custom("a version vector entry with counter 0"));
            }
            entries.push((node, counter));
        }
        let count = entries.len();
        let vector: VersionVector<I> = entries.into_iter().collect();
        if vector.len() < count {
            return Err(Error::custom("a version vector with two entries of one node"));
        }
        Ok(vector)
    }
}
