//! TypeScript types of what Rust reads and writes as JSON, found by watching serde.
//!
//! A type is read from nothing: whatever it asks for is given an empty value and written down. So the types are what
//! serde makes of the structures, renamed fields and variants included, not what their source looks like. Only comments come
//! from the source.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// What a text is read from: words that every type with words knows (see `IntervalMethod`).
const TEXT: &str = "no spread";

/// Named types, in the order in which they were first complete.
#[derive(Default)]
pub struct Types {
    /// Fields and their types.
    structs: Vec<(&'static str, Vec<(&'static str, String)>)>,
    /// Variants, of which none holds anything.
    enums: Vec<(&'static str, &'static [&'static str])>,
    comments: BTreeMap<String, String>,
}

impl Types {
    /// Takes comments of structures and their fields from a Rust source.
    pub fn comments(&mut self, source: &str) {
        let (mut owner, mut comment) = (String::new(), Vec::new());
        for line in source.lines() {
            let line = line.trim();
            if let Some(text) = line.strip_prefix("///") {
                comment.push(text.trim());
                continue;
            }
            let named = |word: &str, end: char| Some(line.strip_prefix(word)?.split_once(end)?.0.trim().to_string());
            let item = named("pub struct ", '{').or_else(|| named("pub enum ", '{'));
            if let Some(name) = &item {
                owner.clone_from(name);
            }
            let key = item.or_else(|| Some(format!("{owner}.{}", named("pub ", ':')?)));
            if let (Some(key), false) = (key, comment.is_empty()) {
                // The first paragraph.
                let first: Vec<&str> = comment.iter().copied().take_while(|line| !line.is_empty()).collect();
                let text = first.join(" ").replace("[`", "`").replace("`]", "`");
                self.comments.insert(key, text);
            }
            if !line.starts_with("#[") {
                comment.clear();
            }
        }
    }

    /// Adds a type and all that it is made of.
    pub fn add<T: DeserializeOwned>(&mut self) {
        let mut name = String::new();
        T::deserialize(Watch { types: self, name: &mut name })
            .expect("every type of the page can be read from nothing");
    }

    /// All of them as declarations.
    pub fn declared(&self) -> String {
        let mut out = String::new();
        let comment = |out: &mut String, indent: &str, key: &str| {
            if let Some(text) = self.comments.get(key) {
                let _ = writeln!(out, "{indent}/** {text} */");
            }
        };
        for (name, variants) in &self.enums {
            comment(&mut out, "", name);
            let all: Vec<String> = variants.iter().map(|variant| format!("{variant:?}")).collect();
            let separator = if all.len() > 6 { "\n  | " } else { " | " };
            let first = if all.len() > 6 { separator } else { " " };
            let _ = writeln!(out, "export type {name} ={first}{};\n", all.join(separator));
        }
        for (name, fields) in &self.structs {
            comment(&mut out, "", name);
            let _ = writeln!(out, "export interface {name} {{");
            for (field, kind) in fields {
                comment(&mut out, "  ", &format!("{name}.{field}"));
                let _ = writeln!(out, "  {field}: {kind};");
            }
            out.push_str("}\n\n");
        }
        out
    }
}

/// Gives whatever is asked for, and writes down its type.
struct Watch<'a> {
    types: &'a mut Types,
    name: &'a mut String,
}

/// Several values in a row.
struct Each<'a> {
    types: &'a mut Types,
    left: usize,
    seen: Vec<String>,
}

impl<'de> SeqAccess<'de> for &mut Each<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut name = String::new();
        let value = seed.deserialize(Watch { types: self.types, name: &mut name })?;
        self.seen.push(name);
        Ok(Some(value))
    }
}

/// The fields of a structure.
struct Fields<'a> {
    types: &'a mut Types,
    left: std::slice::Iter<'static, &'static str>,
    field: &'static str,
    seen: Vec<(&'static str, String)>,
}

impl<'de> MapAccess<'de> for &mut Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.left.next() else { return Ok(None) };
        self.field = field;
        let name: StrDeserializer<'_, Error> = (*field).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let mut name = String::new();
        let value = seed.deserialize(Watch { types: self.types, name: &mut name })?;
        self.seen.push((self.field, name));
        Ok(value)
    }
}

/// The first variant of an enumeration.
struct First(&'static str);

impl<'de> EnumAccess<'de> for First {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for First {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(Error::custom("only enumerations without contents are known"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only enumerations without contents are known"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only enumerations without contents are known"))
    }
}

/// Methods for plain values: the type, and the value that is given.
macro_rules! plain {
    ($($method:ident $visit:ident $value:expr, $name:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            *self.name = $name.to_string();
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Watch<'_> {
    type Error = Error;

    plain! {
        deserialize_bool visit_bool false, "boolean";
        deserialize_i8 visit_i64 0, "number";
        deserialize_i16 visit_i64 0, "number";
        deserialize_i32 visit_i64 0, "number";
        deserialize_i64 visit_i64 0, "number";
        deserialize_u8 visit_u64 0, "number";
        deserialize_u16 visit_u64 0, "number";
        deserialize_u32 visit_u64 0, "number";
        deserialize_u64 visit_u64 0, "number";
        deserialize_f32 visit_f64 0.0, "number";
        deserialize_f64 visit_f64 0.0, "number";
        deserialize_str visit_str TEXT, "string";
        deserialize_string visit_str TEXT, "string";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { types, name } = self;
        let value = visitor.visit_some(Watch { types, name: &mut *name })?;
        name.push_str(" | null");
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut each = Each { types: self.types, left: 1, seen: Vec::new() };
        let value = visitor.visit_seq(&mut each)?;
        let of = each.seen.concat();
        *self.name = if of.contains('|') { format!("({of})[]") } else { format!("{of}[]") };
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let mut each = Each { types: self.types, left: len, seen: Vec::new() };
        let value = visitor.visit_seq(&mut each)?;
        *self.name = format!("[{}]", each.seen.join(", "));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut own = Fields { types: self.types, left: fields.iter(), field: "", seen: Vec::new() };
        let value = visitor.visit_map(&mut own)?;
        let seen = own.seen;
        if self.types.structs.iter().all(|(known, _)| *known != name) {
            self.types.structs.push((name, seen));
        }
        *self.name = name.to_string();
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.types.enums.iter().all(|(known, _)| *known != name) {
            self.types.enums.push((name, variants));
        }
        *self.name = name.to_string();
        visitor.visit_enum(First(variants[0]))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a type of the page says what it is"))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct newtype_struct tuple_struct map identifier ignored_any
    }
}
