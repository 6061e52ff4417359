import { BOOT_BANKS } from "@patela/domain/attestation/BootEvidence"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { BootPolicy } from "../boot/BootPolicy.ts"
import { selectionFromText, selectionText, toolText } from "../boot/bootSelection.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

const boots = (count: number): string => count === 1 ? "1 allowed boot is" : `${count} allowed boots are`

/** What software extends while a machine is up: the kernel's IMA (10), and systemd at each phase of a boot (11). */
const EXTENDED_LATER: ReadonlySet<number> = new Set([10, 11])

const LATER =
  "PCR 10 and 11 go on being extended by the kernel's IMA and by systemd, which no event log of a firmware " +
  "tells: where they are, what such a node shows is refused."

/** `patela policy pcr select`. */
export const policyPcrSelect = Command.make(
  "select",
  {
    pcrs: Argument.String("pcrs").pipe(
      Argument.withDescription("PCRs with commas between; without them and a bank, those of now are printed"),
      Argument.optional
    ),
    bank: Flag.Literals("bank", BOOT_BANKS).pipe(
      Flag.withDescription("The bank that they are of; without it, that of now"),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("policy.pcr.select")(function*({ pcrs: text, bank, json }) {
    const policy = yield* BootPolicy
    const now = yield* policy.selection
    if (Option.isNone(text) && Option.isNone(bank)) {
      return yield* json ? printJson(now) : Console.log(selectionText(now))
    }
    const pcrs = Option.getOrElse(text, () => now.pcrs.join(","))
    const wanted = yield* Effect.fromResult(selectionFromText(pcrs, Option.getOrElse(bank, () => now.bank))).pipe(
      Effect.mapError((message) => new CommandFailed({ message: `${message}. Nothing was changed` }))
    )
    const { applicable, changed, inapplicable } = yield* policy.select(yield* administrator, wanted)
    if (json) return yield* printJson({ selection: wanted, changed, applicable, inapplicable })
    if (!changed) return yield* Console.log(`The PCRs are ${toolText(wanted)} already; nothing was changed.`)
    yield* Console.log(
      [
        `Nodes are asked for PCR ${toolText(wanted)} when they authenticate: within 15 minutes.`,
        ...wanted.bank === now.bank
          ? []
          : [
            `One whose TPM has no ${wanted.bank} bank shows nothing; an agent that is older than the choice of banks cannot authenticate.`
          ],
        ...inapplicable === 0
          ? []
          : [`${boots(inapplicable)} of other PCRs, and not applicable while these are selected.`],
        ...wanted.pcrs.some((pcr) => EXTENDED_LATER.has(pcr)) ? [LATER] : [],
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
    { command: "patela policy pcr select 0,2,4,7", description: "Firmware, boot loader and Secure Boot only" },
    { command: "patela policy pcr select --bank sha384", description: "The same PCRs, of another bank" }
  ]),
  Command.provide(StoreServices)
)
