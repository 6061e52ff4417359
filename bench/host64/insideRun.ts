import { type Duration, Effect, Schema } from "effect"
import { fault, type Mission } from "../../test/src/mission/Mission.ts"
import { repositoryRoot } from "../../test/src/rig/Repository.ts"

/** A script of bench/host64/inside, for the node's Node. */
export const inside = (script: "drift" | "idle"): string => `${repositoryRoot}/bench/host64/inside/${script}.ts`

/** Runs a script on the node, with the environment of the agent's unit, and decodes what it prints. */
export const insideRun = Effect.fnUntraced(function*<A>(
  { environment, node }: Mission,
  argv: ReadonlyArray<string>,
  figures: Schema.Codec<A, string>,
  within: Duration.Input
) {
  const text = yield* node.execOk(["/opt/patela/node", ...argv], { env: environment, within })
  return yield* Schema.decodeEffect(figures)(text)
}, fault)
