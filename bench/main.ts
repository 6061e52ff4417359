import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schema } from "effect"
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import type { Bench } from "./Bench.ts"
import { bundle } from "./bundle.ts"
import { challenges } from "./challenges.ts"
import { herd } from "./herd.ts"
import { host } from "./host.ts"
import { host64 } from "./host64.ts"
import { merge } from "./merge.ts"
import { Row } from "./Row.ts"
import { tpm } from "./tpm.ts"

const BENCHES: ReadonlyArray<Bench> = [bundle, tpm, challenges, merge, herd, host, host64]

const USAGE = `npm run bench                     every figure that this machine can take
npm run bench -- agent.bundle     those whose names begin so
npm run bench -- --json FILE      also as an array of {name, value, unit, aim, met}
`

const encodeRows = Schema.encodeEffect(Schema.fromJsonString(Schema.Array(Row)))

const main = Effect.gen(function*() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "string" }, help: { type: "boolean" } }
  })
  if (values.help === true) return yield* Console.log(USAGE)
  const chosen = (name: string) => positionals.length === 0 || positionals.some((prefix) => name.startsWith(prefix))
  const rows: Array<Row> = []
  for (const bench of BENCHES.filter(({ names }) => names.some(chosen))) {
    if (bench.needsRoot && process.geteuid?.() !== 0) {
      yield* Console.error(`left out, it needs root: ${bench.names.join(", ")}`)
      continue
    }
    yield* Console.error(`... ${bench.names.join(", ")}`)
    const taken = (yield* Effect.scoped(bench.run(chosen))).filter(({ name }) => chosen(name))
    for (const { aim, met, name, unit, value } of taken) {
      const verdict = aim === null ? "" : `  aim ${aim}${met === true ? "" : "  MISSED"}`
      yield* Console.log(`${name.padEnd(28)} ${String(value).padStart(10)} ${unit}${verdict}`)
    }
    rows.push(...taken)
  }
  const { json } = values
  if (json !== undefined) {
    const text = yield* encodeRows(rows)
    yield* Effect.sync(() => writeFileSync(json, `${text}\n`))
  }
}).pipe(
  Effect.catch((error) =>
    Console.error(`bench: ${error.message}`).pipe(Effect.andThen(Effect.sync(() => {
      process.exitCode = 1
    })))
  )
)

NodeRuntime.runMain(main)
