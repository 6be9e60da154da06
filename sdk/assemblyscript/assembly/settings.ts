import { Code, fail } from "./errors";
import { Kind, Value } from "./json";

/**
 * The operator's settings, which are asked for by name. Those that nobody asked for are errors, as are those of another type.
 * The first error is kept and makes configure fail when it returns. null is the same as none.
 */
export class Settings {
  private asked: string[] = [];
  private sound: bool = true;

  constructor(private object: Value) {}

  /** Any setting, as arrays and objects; null if it is not there. */
  json(name: string): Value | null {
    this.asked.push(name);
    const v = this.object.get(name);
    return v == null || v.kind == Kind.NULL ? null : v;
  }

  private typed(name: string, kind: Kind, what: string): Value | null {
    const v = this.json(name);
    if (v == null || v.kind == kind) return v;
    this.wrong(name + " must be " + what);
    return null;
  }

  private wrong(message: string): void {
    if (this.sound) this.sound = fail(Code.INVALID_REQUEST, "settings: " + message);
  }

  string(name: string, standard: string): string {
    const v = this.typed(name, Kind.STRING, "a string");
    return v == null ? standard : v.text;
  }

  number(name: string, standard: f64): f64 {
    const v = this.typed(name, Kind.NUMBER, "a number");
    if (v == null) return standard;
    if (!isFinite(v.number)) this.wrong(name + " must be a number");
    return v.number;
  }

  bool(name: string, standard: bool): bool {
    const v = this.typed(name, Kind.BOOL, "true or false");
    return v == null ? standard : v.number != 0;
  }

  /** Finds a setting that nobody asked for. False if there was any error. */
  finish(): bool {
    for (let i = 0; i < this.object.keys.length; i++) {
      const key = this.object.keys[i];
      if (!this.asked.includes(key)) this.wrong('unknown setting "' + key + '"');
    }
    return this.sound;
  }
}
