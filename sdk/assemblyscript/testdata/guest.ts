// guest does what the tests of the host ask for: the same in each language, so that all SDKs are held to the same vectors.

import { Bucket, Code, Level, Plugin, Settings, Writer, dial, fail, inTime, log, register, retry, secret } from "../assembly";

class Guest extends Plugin {
  name: string = "";
  factor: f64 = 0;
  loud: bool = false;
  parts: i32 = 0;

  configure(s: Settings): bool {
    this.name = s.string("name", "nobody");
    this.factor = s.number("factor", 2);
    this.loud = s.bool("loud", false);
    const parts = s.json("parts");
    if (parts != null) this.parts = parts.items.length;
    return this.factor >= 0 || fail(Code.INVALID_REQUEST, "settings: factor must not be negative");
  }

  collect(address: string, w: Writer): bool {
    if (address == "exposition") exposition(w);
    else if (address == "settings")
      w.gauge("guest_settings", "The settings.", ["name", "factor", "loud", "parts"]).sample(1, [
        this.name,
        (<i64>this.factor).toString(),
        this.loud ? "true" : "false",
        this.parts.toString(),
      ]);
    else if (address == "secret") {
      const key = secret("key");
      if (key == null) return false;
      w.gauge("guest_secret", "The secret.", ["value"]).sample(1, [key]);
    } else if (address == "fail") return retry(Code.UNAVAILABLE, 1500, 'told to "fail",\nand so it does');
    else if (address == "a bad name") w.gauge("a bad name", "").sample(1);
    else if (address == "two kinds") {
      w.gauge("twice", "").sample(1);
      w.counter("twice", "").sample(1);
    } else if (address == "too few values") w.gauge("labelled", "", ["a", "b"]).sample(1, ["x"]);
    else if (address == "log") log(Level.WARN, "told to log n=" + (7).toString());
    else if (address == "loop") {
      while (inTime()) {}
      return false;
    } else if (address.startsWith("tcp://")) return talk(address.substring(6), w);
    else w.gauge("guest_address", "The address.", ["address"]).sample(1, [address]);
    return true;
  }
}

// What sdk/abi/testdata/exposition.txt has.
function exposition(w: Writer): void {
  const odd = w.gauge("odd_values", 'Values that are hard to write:\n"quotes" and a back\\slash.', ["which"]);
  odd.sample(0.1 + 0.2, ["sum"]);
  const calls = w.counter("calls_total", "Calls.", ["path", "code"]);
  calls.sample(3, ['C:\\tmp\n"x"', "200"]);
  odd.sample(NaN, ["nan"]);
  odd.sample(Infinity, ["inf"]);
  odd.sample(-Infinity, ["less"]);
  odd.sample(1e300, ["large"]);
  odd.sample(5e-324, ["small"]);
  odd.sample(9007199254740993.0, ["exact"]);
  odd.sample(-0.0, ["minus zero"]);
  odd.sample(-12.5, ["\ud800é\ufffd\udc00"]);
  calls.sample(1e15, ["", "500"]);
  w.untyped("unknown", "").sample(1);
  const seconds = w.histogram("call_seconds", "Time of a call.", ["path"]);
  seconds.distribution(5, 1.75, [new Bucket(0.1, 1), new Bucket(1, 4)], ["/"]);
  seconds.distribution(0, 0, [new Bucket(0.1, 0), new Bucket(Infinity, 0)], [""]);
  w.gauge("nothing", "A family without samples is left out.");
}

function talk(address: string, w: Writer): bool {
  const conn = dial(address);
  if (conn == null) return false;
  const buffer = new StaticArray<u8>(64);
  let all = 0;
  let n = conn.write("hello\n") ? 1 : -1;
  while (n > 0) {
    n = conn.readBytes(changetype<usize>(buffer), 64);
    if (n > 0) all += n;
  }
  conn.close();
  if (n < 0) return false;
  w.gauge("guest_answer_bytes", "Bytes of the answer.").sample(all);
  return true;
}

register(new Guest());
