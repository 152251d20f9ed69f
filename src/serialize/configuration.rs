//! Configurations: their fields by name.

use core::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(feature = "alloc")]
use super::Text;
use super::refuse;
#[cfg(feature = "alloc")]
use crate::broadcast::{LogKind, PublisherConfig, SubscriberConfig};
#[cfg(feature = "alloc")]
use crate::delivery::{BufferLimits, DagLimits};
#[cfg(feature = "alloc")]
use crate::endpoint::EndpointConfig;
use crate::sequence::{BlocksConfig, SnowflakeConfig, SnowflakeLayout};

/// Reads the name of a field.
#[derive(Clone, Copy)]
struct FieldOf(&'static [&'static str]);

impl Visitor<'_> for FieldOf {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<&'static str, E> {
        let field = self.0.iter().find(|field| **field == name);
        field.copied().ok_or_else(|| Error::unknown_field(name, self.0))
    }
}

impl<'de> DeserializeSeed<'de> for FieldOf {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

/// Implements serde for a configuration: its fields by name. A field that is left out has its value in `$default`; where
/// that is `None`, all fields are required.
macro_rules! configuration {
    ($config:ident { $($field:ident),+ }, $default:expr) => {
        const _: () = {
            const FIELDS: &[&str] = &[$(stringify!($field)),+];

            impl Serialize for $config {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let Self { $($field),+ } = self;
                    let mut fields = serializer.serialize_struct(stringify!($config), FIELDS.len())?;
                    $(fields.serialize_field(stringify!($field), $field)?;)+
                    fields.end()
                }
            }

            impl<'de> Deserialize<'de> for $config {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_struct(stringify!($config), FIELDS, Fields)
                }
            }

            struct Fields;

            impl<'de> Visitor<'de> for Fields {
                type Value = $config;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(concat!("the fields of ", stringify!($config)))
                }

                fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<$config, A::Error> {
                    $(let mut $field = None;)+
                    while let Some(name) = fields.next_key_seed(FieldOf(FIELDS))? {
                        $(if name == stringify!($field) && $field.replace(fields.next_value()?).is_some() {
                            return Err(Error::duplicate_field(stringify!($field)));
                        })+
                    }
                    let default: Option<$config> = $default;
                    let missing = Error::missing_field;
                    Ok($config {
                        $($field: $field
                            .or(default.map(|default| default.$field))
                            .ok_or_else(|| missing(stringify!($field)))?),+
                    })
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<$config, A::Error> {
                    let missing = Error::missing_field;
                    Ok($config {
                        $($field: fields.next_element()?.ok_or_else(|| missing(stringify!($field)))?),+
                    })
                }
            }
        };
    };
}

// A node's number and the widths have no default.
configuration!(SnowflakeConfig { layout, node, origin_ms, ahead_ms, spread_bits }, None);

impl Serialize for SnowflakeLayout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bits().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SnowflakeLayout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ms_bits, node_bits, sequence_bits) = Deserialize::deserialize(deserializer)?;
        match Self::new(ms_bits, node_bits, sequence_bits) {
            Some(layout) => Ok(layout),
            None => refuse("a layout without a bit for milliseconds, or of more than 63 bits"),
        }
    }
}

configuration!(BlocksConfig { low_water, limit, epoch, highest }, Some(BlocksConfig::default()));

#[cfg(feature = "alloc")]
configuration!(
    BufferLimits { messages, bytes, horizon, nodes, dependencies, sources },
    Some(BufferLimits::default())
);
#[cfg(feature = "alloc")]
configuration!(DagLimits { events, parents, links }, Some(DagLimits::default()));
#[cfg(feature = "alloc")]
configuration!(
    EndpointConfig { window, window_bytes, nodes, packet, answer_bytes, delay_ms, retry_ms, retry_max_ms },
    Some(EndpointConfig::default())
);
#[cfg(feature = "alloc")]
configuration!(PublisherConfig { log, attempts, jump }, Some(PublisherConfig::default()));
#[cfg(feature = "alloc")]
configuration!(
    SubscriberConfig { window, bytes, poll_ms, write_timeout_ms, max_fill_timeout_ms, jump, nodes, skips },
    Some(SubscriberConfig::default())
);

#[cfg(feature = "alloc")]
impl Serialize for LogKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Slots => "slots",
            Self::Appends => "appends",
        })
    }
}

#[cfg(feature = "alloc")]
impl<'de> Deserialize<'de> for LogKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(|text: &str| match text {
            "slots" => Ok(Self::Slots),
            "appends" => Ok(Self::Appends),
            _ => Err("a kind of log that is neither `slots` nor `appends`"),
        }))
    }
}
