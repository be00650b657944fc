//! The content of messages, read for addresses that the model's service would fetch.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use std::{borrow::Cow, fmt};

/// What a message holds, at any depth: text, or parts. Only whether a part names an address is kept.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) has_address: bool,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    content: Content,
    #[serde(default)]
    output: Content,
    #[serde(default)]
    source: Source,
    #[serde(default)]
    image_url: Address,
    #[serde(default)]
    file_url: Address,
    #[serde(default)]
    video_url: Address,
    #[serde(default)]
    audio_url: Address,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of parts")
            }
            fn visit_unit<E>(self) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_str<E>(self, _text: &str) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
                let mut content = Content::default();
                while let Some(part) = parts.next_element::<PartOrText>()? {
                    content.has_address |= part.0;
                }
                Ok(content)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
                let part = Part::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Content { has_address: part.has_address() })
            }
        }
        from.deserialize_any(Parts)
    }
}

/// A part, or a bare text in its place: whether it names an address.
struct PartOrText(bool);

impl<'de> Deserialize<'de> for PartOrText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Content::deserialize(from).map(|content| Self(content.has_address))
    }
}

impl Part {
    fn has_address(&self) -> bool {
        self.content.has_address
            || self.output.has_address
            || self.source.0
            || [&self.image_url, &self.file_url, &self.video_url, &self.audio_url]
                .iter()
                .any(|a| a.0)
    }
}

/// Where an Anthropic block's bytes are: whether that is an address.
#[derive(Default)]
struct Source(bool);

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(default, rename = "type", borrow)]
            kind: Option<Cow<'a, str>>,
            #[serde(default)]
            url: Option<IgnoredAny>,
            // A document may be made of blocks in its turn.
            #[serde(default)]
            content: Content,
        }
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = Source;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a source")
            }
            fn visit_unit<E>(self) -> Result<Source, E> {
                Ok(Source(false))
            }
            // Of a search result it is a name.
            fn visit_str<E>(self, _name: &str) -> Result<Source, E> {
                Ok(Source(false))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
                let map = MapAccessDeserializer::new(map);
                let fields = Fields::deserialize(map)?;
                let is_url = fields.kind.as_deref() == Some("url") || fields.url.is_some();
                Ok(Source(is_url || fields.content.has_address))
            }
        }
        from.deserialize_any(Word)
    }
}

/// An address in an OpenAI part: whether it is one, and not the data itself.
#[derive(Default)]
struct Address(bool);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            url: Address,
        }
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address")
            }
            fn visit_unit<E>(self) -> Result<Address, E> {
                Ok(Address(false))
            }
            fn visit_str<E>(self, text: &str) -> Result<Address, E> {
                Ok(Address(!text.starts_with("data:")))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Address, A::Error> {
                let map = MapAccessDeserializer::new(map);
                Ok(Fields::deserialize(map)?.url)
            }
        }
        from.deserialize_any(Text)
    }
}
