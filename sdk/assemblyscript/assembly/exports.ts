// The exports of the ABI. plugin.mk compiles this file beside the author's.

import { Code, body, fail, forget } from "./errors";
import { Kind, Value, parse } from "./json";
import { Writer } from "./metric";
import { plugin } from "./plugin";
import { Settings } from "./settings";
import { decode } from "./text";
import { begin } from "./time";

const MINOR = 1;
const MAX_BYTES = 16 << 20;

let request: usize = 0;
let room: u32 = 0;
let result: ArrayBuffer = new ArrayBuffer(0); // the bytes of the last answer
let configured = false;

function answer(text: string | null): u64 {
  const failed = text == null;
  result = String.UTF8.encode(text == null ? body() : text);
  if (!failed && result.byteLength > MAX_BYTES) {
    fail(Code.INTERNAL, "the answer has " + result.byteLength.toString() + " bytes, at most " + MAX_BYTES.toString() + " are allowed");
    return answer(null);
  }
  return (<u64>failed << 63) | (<u64>changetype<usize>(result) << 32) | <u64>result.byteLength;
}

/** Reads an object; null and an error that begins with what if it is none. */
function object(what: string, at: usize, n: u32): Value | null {
  const v = parse(n == 0 ? "" : decode(at, n));
  if (v != null && v.kind == Kind.OBJECT) return v;
  fail(Code.INVALID_REQUEST, what + " not a JSON object");
  return null;
}

function configure(settings: Value): bool {
  const s = new Settings(settings);
  if (!plugin().configure(s)) return false;
  configured = s.finish();
  return configured;
}

/** Configures a plugin whose host had no settings for it. */
function ready(): bool {
  return configured || configure(new Value(Kind.OBJECT));
}

export function hearth_abi_v1(): i32 {
  return MINOR;
}

export function hearth_alloc(n: u32): usize {
  if (n > <u32>MAX_BYTES) return 0;
  if (n > room || request == 0) {
    if (request != 0) heap.free(request);
    room = max(n, 64);
    request = heap.alloc(room); // aligned to 16
  }
  return request;
}

export function hearth_describe(): u64 {
  return answer('{"abi":"1.1","sdk":"assemblyscript","kinds":["exporter"]}');
}

export function hearth_configure(at: usize, n: u32): u64 {
  forget();
  begin(0);
  if (configured) {
    fail(Code.INVALID_REQUEST, "configured already");
    return answer(null);
  }
  const settings = n == 0 ? new Value(Kind.OBJECT) : object("settings: they are", at, n);
  if (settings == null || !configure(settings)) return answer(null);
  return answer("");
}

export function hearth_collect(at: usize, n: u32): u64 {
  forget();
  begin(0);
  const r = object("collect: the request is", at, n);
  if (r == null || !ready()) return answer(null);
  const deadline = r.get("deadline_ms");
  if (deadline != null) begin(deadline.number);
  const address = r.get("address");
  const w = new Writer();
  if (!plugin().collect(address == null ? "" : address.text, w)) return answer(null);
  return answer(w.finish());
}
