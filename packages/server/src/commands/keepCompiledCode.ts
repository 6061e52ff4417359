import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"

/**
 * Keeps compiled JavaScript between runs, in the user's own cache folder (XDG Base Directory), which a command needs to
 * start in less than 0.4 s. Not in /tmp, where another user could put code. Without a writable home nothing is kept.
 */
export const keepCompiledCode = (): void => {
  const set = process.env["XDG_CACHE_HOME"]
  const base = set !== undefined && isAbsolute(set) ? set : join(homedir(), ".cache")
  // Failure is reported by value, not thrown, and only costs time.
  enableCompileCache(join(base, "patela"))
}
