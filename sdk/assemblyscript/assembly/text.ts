/** Reads UTF-8; what is none becomes U+FFFD, byte by byte. */
export function decode(at: usize, n: usize): string {
  const end = at + n;
  let out = "";
  let from = at; // of bytes that are sound
  while (at < end) {
    const k = character(at, end);
    if (k > 0) {
      at += k;
      continue;
    }
    out += String.UTF8.decodeUnsafe(from, at - from) + "\ufffd";
    from = ++at;
  }
  return out + String.UTF8.decodeUnsafe(from, at - from);
}

/** How many bytes the character at a place has; 0 if it is none. */
function character(at: usize, end: usize): usize {
  const a = load<u8>(at);
  if (a < 0x80) return 1;
  const k: usize = a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;
  if (a < 0xc2 || a > 0xf4 || at + k > end) return 0;
  for (let i: usize = 1; i < k; i++) if ((load<u8>(at + i) & 0xc0) != 0x80) return 0;
  const b = load<u8>(at + 1);
  if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f)) return 0;
  return k;
}

/** A text with U+FFFD for each half of a surrogate pair that has lost the other. */
export function sound(s: string): string {
  let from = 0;
  let out = "";
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c < 0xd800 || c > 0xdfff) continue;
    if (c < 0xdc00 && i + 1 < s.length && (s.charCodeAt(i + 1) & 0xfc00) == 0xdc00) {
      i++;
      continue;
    }
    out += s.substring(from, i) + "\ufffd";
    from = i + 1;
  }
  return from == 0 ? s : out + s.substring(from);
}
