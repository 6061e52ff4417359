import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schema } from "effect"
import { demo } from "./demo.ts"
import { bad } from "./Progress.ts"
import { troubleWithMachine } from "./troubleWithMachine.ts"

/** The demo cannot go on; the message was already made for a person. */
class DemoStopped extends Schema.TaggedError<DemoStopped>()("DemoStopped", { message: Schema.String }) {}

const USAGE = `npm run demo              shows the whole mission on real components, and cleans up
npm run demo -- --keep    leaves everything running, with a prompt to play on
`

const main = Effect.gen(function*() {
  const args = process.argv.slice(2)
  if (args.includes("--help")) return yield* Console.log(USAGE)
  const unknown = args.find((arg) => arg !== "--keep")
  if (unknown !== undefined) return yield* new DemoStopped({ message: `unknown argument ${unknown}\n${USAGE}` })
  const trouble = yield* troubleWithMachine
  if (trouble !== undefined) return yield* new DemoStopped({ message: trouble })
  yield* demo({ keep: args.includes("--keep") }).pipe(Effect.scoped)
}).pipe(
  Effect.catch((error) =>
    Console.error(`${bad("demo: ")}${error.message}`).pipe(
      Effect.andThen(Effect.sync(() => {
        process.exitCode = 1
      }))
    )
  )
)

NodeRuntime.runMain(main)
