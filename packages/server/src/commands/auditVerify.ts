import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { faultText, type SeenEntry } from "../audit/ChainCheck.ts"
import { verifyAudit } from "../audit/verifyAudit.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { exitWith } from "./ExitWith.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

const seenEntry = Effect.fnUntraced(function*(text: string) {
  const [, id, digest = ""] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text.trim().toLowerCase()) ?? []
  if (id !== undefined) return { id: Number(id), digest } satisfies SeenEntry
  return yield* new CommandFailed({
    message: "--seen takes an entry as `patela audit verify` printed it: its number, a colon, 64 hexadecimal digits"
  })
})

export const auditVerify = Command.make(
  "verify",
  {
    seen: Flag.String("seen").pipe(
      Flag.withDescription("NUMBER:DIGEST that an earlier verify printed: that entry must still be the same"),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("audit.verify")(function*({ seen, json }) {
    const known = Option.isSome(seen) ? yield* seenEntry(seen.value) : undefined
    const { head, faults } = yield* verifyAudit(known)
    const code = faults.length === 0 ? 0 : 1
    if (json) {
      yield* printJson({
        whole: faults.length === 0,
        entries: head.id,
        digest: head.digest,
        faults: faults.map((fault) => ({ ...fault, message: faultText(fault) }))
      })
      return yield* exitWith(code)
    }
    if (faults.length > 0) {
      return yield* new CommandFailed({
        message: [
          "The audit log is not as it was written:",
          ...faults.map((fault) => `  ${faultText(fault)}`),
          "Compare it with a backup (patela backup): somebody changed the database itself."
        ].join("\n")
      })
    }
    if (head.id === 0) return yield* Console.log("The audit log is empty.")
    yield* Console.log(
      `${head.id} ${head.id === 1 ? "entry is" : "entries are"} as written. The newest:\n${head.id}:${head.digest}\n` +
        "Noted elsewhere, it also shows a log that was written anew as a whole: patela audit verify --seen NUMBER:DIGEST"
    )
  })
).pipe(
  Command.withDescription("Say whether entries of the audit log were changed, removed, reordered or cut off"),
  Command.withExamples([
    { command: "patela audit verify", description: "Ends with 1 where something is wrong, and names the entries" },
    { command: `patela audit verify --seen 812:${"4f".repeat(32)}`, description: "That entry must be the same still" }
  ]),
  Command.provide(StoreServices)
)
