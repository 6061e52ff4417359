import { Effect } from "effect"
import { DebianRoot } from "../test/src/rig/DebianRoot.ts"

/** Why the demo cannot run here, for a person, or undefined where it can. */
export const troubleWithMachine: Effect.Effect<string | undefined> = Effect.gen(function*() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `the demo needs Debian 12 on x86_64; this is ${process.platform} on ${process.arch}`
  }
  if (process.geteuid?.() !== 0) {
    return "the demo needs root: it makes network namespaces and boots a container. Try: sudo npm run demo"
  }
  return yield* DebianRoot.find().pipe(
    Effect.map(() => undefined),
    Effect.catch(({ message }) => Effect.succeed(message))
  )
})
