/**
 * What authors of hearth plugins in AssemblyScript import. A plugin is a class, and one line that registers it:
 *
 *     import { Plugin, Writer, register } from "./assemblyscript/assembly";
 *
 *     class Acme extends Plugin {
 *       collect(address: string, w: Writer): bool {
 *         w.gauge("acme_up", "Whether the thing answers.").sample(1);
 *         return true;
 *       }
 *     }
 *
 *     register(new Acme());
 *
 * AssemblyScript has no exceptions that can be caught: what can fail returns false or null, after fail or retry has said why.
 * An instance answers one call at a time, and nothing runs between calls. The contract beneath is sdk/abi/ABI.md; README.md
 * is the manual.
 */
export { Code, fail, retry } from "./errors";
export { Level, hasSecret, log, secret } from "./host";
export { Kind, Value, parse } from "./json";
export { Bucket, Family, Writer } from "./metric";
export { Conn, dial } from "./net";
export { Plugin, register } from "./plugin";
export { Settings } from "./settings";
export { inTime, leftMs } from "./time";
