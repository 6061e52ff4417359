import { Effect, Layer } from "effect"
import { Audit } from "../../src/audit/Audit.ts"
import { layerAt } from "../../src/store/Store.ts"

/** A process that writes so many entries into the audit log of a file: `node auditWriter.ts FILE WHO COUNT`. */
const [path = "", who = "", count = "0"] = process.argv.slice(2)

const write = Effect.gen(function*() {
  const audit = yield* Audit
  for (let entry = 1; entry <= Number(count); entry += 1) {
    yield* audit.record({ who, what: `change ${entry}`, before: String(entry - 1), after: String(entry) })
  }
})

await Effect.runPromise(Effect.provide(write, Layer.provide(Audit.layer, layerAt(path))))
