import { Code, fail } from "./errors";
import { sound } from "./text";

/** One bound of a histogram: inclusive, and how many observations are at or below it. */
export class Bucket {
  constructor(
    public upper: f64,
    public count: u64,
  ) {}
}

/**
 * Collects families of metrics, and writes them in the text format 0.0.4. They come out whole and sorted by name, whatever the
 * order of writing. The first mistake (a bad name, one name with two types, a wrong number of values) makes the call fail.
 */
export class Writer {
  private families: Map<string, Family> = new Map();
  mistake: string = "";

  /** The family of a value that only grows; its name should end in _total. */
  counter(name: string, help: string, labels: string[] = []): Family {
    return this.family("counter", name, help, labels);
  }

  /** The family of a value that may go up and down. */
  gauge(name: string, help: string, labels: string[] = []): Family {
    return this.family("gauge", name, help, labels);
  }

  /** The family of a value of which nothing is known. */
  untyped(name: string, help: string, labels: string[] = []): Family {
    return this.family("untyped", name, help, labels);
  }

  /** The family of a distribution in buckets. */
  histogram(name: string, help: string, labels: string[] = []): Family {
    return this.family("histogram", name, help, labels);
  }

  private family(kind: string, name: string, help: string, labels: string[]): Family {
    if (this.families.has(name)) {
      const f = this.families.get(name);
      if (f.kind == kind && f.labels.join(",") == labels.join(",")) return f;
      this.wrong(name + " is a " + f.kind + " already, and cannot be a " + kind + " or have other labels as well");
      return new Family(this, kind, name, help, labels); // goes nowhere
    }
    if (!validName(name, true)) this.wrong('"' + name + '" is not a metric name');
    for (let i = 0; i < labels.length; i++) {
      const l = labels[i];
      if (!validName(l, false) || l.startsWith("__") || labels.indexOf(l) < i || (kind == "histogram" && l == "le"))
        this.wrong(name + ': "' + l + '" cannot be the name of a label');
    }
    const f = new Family(this, kind, name, help, labels);
    this.families.set(name, f);
    return f;
  }

  wrong(mistake: string): void {
    if (this.mistake.length == 0) this.mistake = mistake;
  }

  /** The exposition, or null after a mistake. */
  finish(): string | null {
    if (this.mistake.length > 0) {
      fail(Code.INTERNAL, this.mistake);
      return null;
    }
    const names = this.families.keys().sort();
    const parts: string[] = [];
    for (let i = 0; i < names.length; i++) {
      const f = this.families.get(names[i]);
      if (f.lines.length == 0) continue;
      if (f.help.length > 0) parts.push("# HELP " + f.name + " " + escape(f.help, false) + "\n");
      parts.push("# TYPE " + f.name + " " + f.kind + "\n");
      parts.push(f.lines.join(""));
    }
    return parts.join("");
  }
}

/** One metric: a name, what it means, the names of its labels. */
export class Family {
  lines: string[] = [];

  constructor(
    private w: Writer,
    public kind: string,
    public name: string,
    public help: string,
    public labels: string[],
  ) {}

  private fits(distribution: bool, values: string[]): bool {
    if ((this.kind == "histogram") != distribution)
      this.w.wrong(this.name + " is a " + this.kind + " and takes no " + (distribution ? "histogram" : "plain sample"));
    else if (values.length != this.labels.length)
      this.w.wrong(this.name + ": " + values.length.toString() + " values for " + this.labels.length.toString() + " labels");
    else return true;
    return false;
  }

  /** Adds a value of a counter, gauge or untyped family, with the values of its labels. An empty value is no label. */
  sample(v: f64, values: string[] = []): void {
    if (this.fits(false, values)) this.line("", values, "", v);
  }

  /** Adds a histogram. Buckets rise in bound and count; the one for infinity may be left out. */
  distribution(count: u64, sum: f64, buckets: Bucket[], values: string[] = []): void {
    if (!this.fits(true, values)) return;
    for (let i = 0; i < buckets.length; i++) {
      const b = buckets[i];
      if (b.count > count || (i > 0 && (!(b.upper > buckets[i - 1].upper) || b.count < buckets[i - 1].count))) {
        this.w.wrong(this.name + ": buckets must rise in bound and count, up to " + count.toString());
        return;
      }
    }
    for (let i = 0; i < buckets.length; i++)
      if (buckets[i].upper != Infinity) this.line("_bucket", values, number(buckets[i].upper), <f64>buckets[i].count);
    this.line("_bucket", values, "+Inf", <f64>count);
    this.line("_sum", values, "", sum);
    this.line("_count", values, "", <f64>count);
  }

  /** Adds a line; bound is the value of the label le, or nothing. */
  private line(suffix: string, values: string[], bound: string, v: f64): void {
    const labels: string[] = [];
    for (let i = 0; i < values.length; i++)
      if (values[i].length > 0) labels.push(this.labels[i] + '="' + escape(values[i], true) + '"');
    if (bound.length > 0) labels.push('le="' + bound + '"');
    this.lines.push(this.name + suffix + (labels.length > 0 ? "{" + labels.join(",") + "} " : " ") + number(v) + "\n");
  }
}

function validName(s: string, colons: bool): bool {
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    const letter = c == 0x5f || (c | 0x20) - 0x61 < 26 && c >= 0x41 && (c | 0x20) >= 0x61;
    if (!letter && !(i > 0 && c >= 0x30 && c <= 0x39) && !(colons && c == 0x3a)) return false;
  }
  return s.length > 0;
}

function escape(s: string, quotes: bool): string {
  s = sound(s).replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return quotes ? s.replaceAll('"', '\\"') : s;
}

/** Writes v so that it reads back to the same number. */
function number(v: f64): string {
  if (isNaN(v)) return "NaN";
  if (!isFinite(v)) return v > 0 ? "+Inf" : "-Inf";
  const minus0 = v == 0 && 1 / v < 0;
  if (minus0) return "-0";
  return v == Math.trunc(v) && Math.abs(v) < 1e15 ? (<i64>v).toString() : v.toString();
}
