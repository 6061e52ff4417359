import { Effect } from "effect"
import { userInfo } from "node:os"

/** Whose name goes into the audit log: the login of who runs the command, also through sudo. */
export const administrator: Effect.Effect<string> = Effect.sync(() => {
  const sudo = process.env["SUDO_USER"]
  if (sudo !== undefined && sudo !== "") return sudo
  try {
    return userInfo().username
  } catch {
    // A container may run with a UID that has no account.
    return `uid ${process.getuid?.() ?? "unknown"}`
  }
})
