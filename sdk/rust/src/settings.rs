//! The operator's settings.

use crate::error::{Code, Error, Result};
use crate::json::Value;

/// Settings are asked for by name. Those that nobody asked for are errors, as are those of another type; `null` is the same
/// as none.
pub struct Settings {
    object: Vec<(String, Value)>,
    asked: Vec<String>,
}

impl Settings {
    pub(crate) fn new(object: Vec<(String, Value)>) -> Settings {
        Settings { object, asked: Vec::new() }
    }

    /// Any setting, as arrays and objects.
    pub fn json(&mut self, name: &str) -> Option<Value> {
        self.asked.push(name.to_string());
        self.object.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v.clone()).filter(|v| *v != Value::Null)
    }

    fn typed<T>(&mut self, name: &str, standard: T, what: &str, as_type: impl Fn(&Value) -> Option<T>) -> Result<T> {
        match self.json(name) {
            None => Ok(standard),
            Some(v) => as_type(&v).ok_or_else(|| Error::new(Code::InvalidRequest, format!("settings: {} must be {}", name, what))),
        }
    }

    pub fn string(&mut self, name: &str, standard: &str) -> Result<String> {
        self.typed(name, standard.to_string(), "a string", |v| v.as_str().map(str::to_string))
    }

    pub fn number(&mut self, name: &str, standard: f64) -> Result<f64> {
        self.typed(name, standard, "a number", |v| v.as_f64().filter(|x| x.is_finite()))
    }

    pub fn bool(&mut self, name: &str, standard: bool) -> Result<bool> {
        self.typed(name, standard, "true or false", Value::as_bool)
    }

    /// Finds a setting that nobody asked for.
    pub(crate) fn finish(self) -> Result<()> {
        match self.object.iter().find(|(k, _)| !self.asked.contains(k)) {
            Some((k, _)) => Err(Error::new(Code::InvalidRequest, format!("settings: unknown setting \"{}\"", k))),
            None => Ok(()),
        }
    }
}
