//! A small reader of JSON, RFC 8259.

/// A value. Members of objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member of an object; of several of one name the last.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(v) => Some(*v),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(a) => Some(a),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(o) => Some(o),
            _ => None,
        }
    }
}

/// How deep arrays and objects may lie in each other: the stack of a module is small.
const DEPTH: usize = 64;

/// Reads a text; `None` if it is not JSON. What is not UTF-8 in a string becomes U+FFFD, as do halves of surrogate pairs.
pub fn parse(text: &[u8]) -> Option<Value> {
    let mut r = Reader { text, at: 0 };
    let v = r.value(DEPTH)?;
    r.space();
    (r.at == text.len()).then(|| v)
}

/// Appends a string with its quotes.
pub fn quote(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, c: u8) -> bool {
        let is = self.peek() == Some(c);
        self.at += is as usize;
        is
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, v: Value) -> Option<Value> {
        let is = self.text[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        is.then(|| v)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        match self.peek()? {
            b'"' => Some(Value::String(self.string()?)),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            b'{' if depth > 0 => {
                let mut members = Vec::new();
                self.list(b'}', |r| {
                    r.space();
                    let key = r.string()?;
                    r.space();
                    if !r.take(b':') {
                        return None;
                    }
                    members.push((key, r.value(depth - 1)?));
                    Some(())
                })?;
                Some(Value::Object(members))
            }
            b'[' if depth > 0 => {
                let mut items = Vec::new();
                self.list(b']', |r| Some(items.push(r.value(depth - 1)?)))?;
                Some(Value::Array(items))
            }
            _ => self.number(),
        }
    }

    /// Reads what stands between brackets, with commas between.
    fn list(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.space();
        if self.take(close) {
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            if self.take(close) {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then(|| ())
    }

    fn number(&mut self) -> Option<Value> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        std::str::from_utf8(&self.text[from..self.at]).ok()?.parse().ok().map(Value::Number)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    /// Reads what follows \u; after a high half a low one, too.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex4()?;
        if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = back;
        }
        Some(char::from_u32(high).unwrap_or('\u{fffd}'))
    }

    fn string(&mut self) -> Option<String> {
        if !self.take(b'"') {
            return None;
        }
        let mut out = String::new();
        loop {
            let from = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            out.push_str(&String::from_utf8_lossy(&self.text[from..self.at]));
            self.at += 1;
            match self.text[self.at - 1] {
                b'"' => return Some(out),
                b'\\' => {}
                _ => return None,
            }
            self.at += 1;
            out.push(match *self.text.get(self.at - 1)? {
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.unicode()?,
                c @ (b'"' | b'\\' | b'/') => c as char,
                _ => return None,
            });
        }
    }
}
