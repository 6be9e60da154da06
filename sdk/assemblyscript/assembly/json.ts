import { sound } from "./text";

/** Kinds of values. */
export enum Kind {
  NULL,
  BOOL,
  NUMBER,
  STRING,
  ARRAY,
  OBJECT,
}

/** A value of JSON. Of members of one name the last counts. */
export class Value {
  /** Of numbers, and 1 or 0 of booleans. */
  number: f64 = 0;
  /** Of strings. */
  text: string = "";
  /** Of arrays, and the values of the members of objects. */
  items: Value[] = [];
  /** The names of the members of objects. */
  keys: string[] = [];

  constructor(public kind: Kind) {}

  /** The member of an object, or null. */
  get(key: string): Value | null {
    const i = this.keys.lastIndexOf(key);
    return i < 0 ? null : this.items[i];
  }
}

/** How deep arrays and objects may lie in each other. */
const DEPTH = 64;

/** Reads a text, RFC 8259; null if it is not JSON. */
export function parse(text: string): Value | null {
  const r = new Reader(text);
  const v = r.value(DEPTH);
  r.space();
  return r.at == text.length ? v : null;
}

class Reader {
  at: i32 = 0;

  constructor(private s: string) {}

  private peek(): i32 {
    return this.at < this.s.length ? this.s.charCodeAt(this.at) : -1;
  }

  private take(c: i32): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  space(): void {
    for (let c = this.peek(); c == 0x20 || c == 0x09 || c == 0x0a || c == 0x0d; c = this.peek()) this.at++;
  }

  private word(word: string, kind: Kind, n: f64): Value | null {
    if (this.s.substr(this.at, word.length) != word) return null;
    this.at += word.length;
    const v = new Value(kind);
    v.number = n;
    return v;
  }

  value(depth: i32): Value | null {
    this.space();
    switch (this.peek()) {
      case 0x22: {
        const s = this.string();
        if (s == null) return null;
        const v = new Value(Kind.STRING);
        v.text = s;
        return v;
      }
      case 0x74:
        return this.word("true", Kind.BOOL, 1);
      case 0x66:
        return this.word("false", Kind.BOOL, 0);
      case 0x6e:
        return this.word("null", Kind.NULL, 0);
      case 0x7b:
        return depth > 0 ? this.list(new Value(Kind.OBJECT), 0x7d, depth - 1) : null;
      case 0x5b:
        return depth > 0 ? this.list(new Value(Kind.ARRAY), 0x5d, depth - 1) : null;
      default:
        return this.number();
    }
  }

  private list(v: Value, close: i32, depth: i32): Value | null {
    this.at++;
    this.space();
    if (this.take(close)) return v;
    while (true) {
      if (v.kind == Kind.OBJECT) {
        this.space();
        const key = this.string();
        if (key == null) return null;
        this.space();
        if (!this.take(0x3a)) return null;
        v.keys.push(key);
      }
      const item = this.value(depth);
      if (item == null) return null;
      v.items.push(item);
      this.space();
      if (this.take(close)) return v;
      if (!this.take(0x2c)) return null;
    }
  }

  private digits(): bool {
    const from = this.at;
    for (let c = this.peek(); c >= 0x30 && c <= 0x39; c = this.peek()) this.at++;
    return this.at > from;
  }

  private number(): Value | null {
    const from = this.at;
    this.take(0x2d);
    if (!this.take(0x30) && !this.digits()) return null;
    if (this.take(0x2e) && !this.digits()) return null;
    if (this.take(0x65) || this.take(0x45)) {
      if (!this.take(0x2b)) this.take(0x2d);
      if (!this.digits()) return null;
    }
    const v = new Value(Kind.NUMBER);
    v.number = parseFloat(this.s.substring(from, this.at));
    return v;
  }

  /** The four digits after \u; -1 if they are none. */
  private hex4(): i32 {
    let v = 0;
    for (let i = 0; i < 4; i++) {
      const c = this.peek() | 0x20; // lower case; digits stay
      const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : c >= 0x61 && c <= 0x66 ? c - 0x61 + 10 : -1;
      if (digit < 0 || this.peek() < 0x30) return -1;
      v = (v << 4) | digit;
      this.at++;
    }
    return v;
  }

  private string(): string | null {
    if (!this.take(0x22)) return null;
    const parts: string[] = [];
    let from = this.at;
    while (true) {
      const c = this.peek();
      if (c < 0x20) return null; // the end, too
      if (c != 0x22 && c != 0x5c) {
        this.at++;
        continue;
      }
      parts.push(this.s.substring(from, this.at));
      this.at++;
      if (c == 0x22) return sound(parts.join(""));
      const e = this.peek();
      this.at++;
      if (e == 0x75) {
        const u = this.hex4();
        if (u < 0) return null;
        parts.push(String.fromCharCode(u));
      } else {
        const i = "bfnrt".indexOf(String.fromCharCode(e));
        if (i >= 0) parts.push("\b\f\n\r\t".charAt(i));
        else if (e == 0x22 || e == 0x5c || e == 0x2f) parts.push(String.fromCharCode(e));
        else return null;
      }
      from = this.at;
    }
  }
}
