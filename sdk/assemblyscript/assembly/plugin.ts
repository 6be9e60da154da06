import { Code, fail } from "./errors";
import { Writer } from "./metric";
import { Settings } from "./settings";

/** What a program serves: extend it. */
export class Plugin {
  /** Reads the operator's settings, once, before anything else. Settings that were not asked for are errors. */
  configure(_settings: Settings): bool {
    return true;
  }

  /** Writes the metrics of one target, whose address is as the operator wrote it. */
  collect(_address: string, _w: Writer): bool {
    return fail(Code.INTERNAL, "an exporter without collect");
  }
}

let registered: Plugin | null = null;

/** Says what this program is. Call it once, outside of functions. */
export function register(plugin: Plugin): void {
  registered = plugin;
}

/** The plugin that was registered. */
export function plugin(): Plugin {
  const p = registered;
  return p == null ? new Plugin() : p;
}
