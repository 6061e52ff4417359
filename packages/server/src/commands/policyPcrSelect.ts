import { Console, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { BootPolicy } from "../boot/BootPolicy.ts"
import { selectionFromText, selectionText } from "../boot/bootSelection.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

const boots = (count: number): string => count === 1 ? "1 allowed boot is" : `${count} allowed boots are`

/** `patela policy pcr select`. */
export const policyPcrSelect = Command.make(
  "select",
  {
    pcrs: Argument.String("pcrs").pipe(
      Argument.withDescription("PCRs of SHA-256 with commas between; without them, those of now are printed"),
      Argument.optional
    ),
    json: jsonFlag
  },
  Effect.fn("policy.pcr.select")(function*({ pcrs: text, json }) {
    const policy = yield* BootPolicy
    if (Option.isNone(text)) {
      const now = yield* policy.selection
      return yield* json ? printJson(now) : Console.log(selectionText(now))
    }
    const wanted = yield* Effect.fromResult(selectionFromText(text.value)).pipe(
      Effect.mapError((message) => new CommandFailed({ message: `${message}. Nothing was changed` }))
    )
    const { applicable, changed, inapplicable } = yield* policy.select(yield* administrator, wanted)
    if (json) return yield* printJson({ selection: wanted, changed, applicable, inapplicable })
    if (!changed) return yield* Console.log(`The PCRs are ${selectionText(wanted)} already; nothing was changed.`)
    yield* Console.log(
      [
        `Nodes are asked for PCR ${selectionText(wanted)} when they authenticate: within 15 minutes.`,
        ...inapplicable === 0
          ? []
          : [`${boots(inapplicable)} of other PCRs, and not applicable while these are selected.`],
        `${boots(applicable)} of these PCRs.${applicable === 0 ? " Allow some: patela policy pcr learn NODE" : ""}`
      ].join("\n")
    )
  })
).pipe(
  Command.withDescription(
    "Select the PCRs that stand for what nodes boot, or print them; not while boots are enforced"
  ),
  Command.withExamples([
    { command: "patela policy pcr select", description: "Those of now" },
    { command: "patela policy pcr select 0,2,4,7", description: "Firmware, boot loader and Secure Boot only" }
  ]),
  Command.provide(StoreServices)
)
