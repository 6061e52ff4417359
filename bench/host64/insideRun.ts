import { type Duration, Effect, Schema } from "effect"
import { fault, type Mission } from "../../test/src/mission/Mission.ts"
import { repositoryRoot } from "../../test/src/rig/Repository.ts"

/** Runs a script of bench/host64/inside on the node, as the agent's unit would, and decodes what it prints. */
export const insideRun = Effect.fnUntraced(function*<A>(
  { environment, node }: Mission,
  script: "passes" | "drift" | "idle",
  args: ReadonlyArray<string>,
  figures: Schema.Codec<A, string>,
  within: Duration.Input
) {
  const file = `${repositoryRoot}/bench/host64/inside/${script}.ts`
  const text = yield* node.execOk(["/opt/patela/node", file, ...args], { env: environment, within })
  return yield* Schema.decodeEffect(figures)(text)
}, fault)
