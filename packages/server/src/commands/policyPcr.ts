import { Console, Effect, FileSystem, Option, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { BootDigest, bootDigestOf } from "../boot/Boot.ts"
import { BOOT_ENFORCEMENTS, BootPolicy } from "../boot/BootPolicy.ts"
import { isOfSelection, toolText } from "../boot/bootSelection.ts"
import { ShownBoots } from "../boot/ShownBoots.ts"
import { Administration } from "../nodes/Administration.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { nodeIdArgument } from "./nodeIdArgument.ts"
import { policyPcrSelect } from "./policyPcrSelect.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"
import { table } from "./table.ts"

const digestArgument = Argument.String("digest").pipe(
  Argument.withDescription("SHA-256 over the selected PCRs, 64 hexadecimal digits, as `patela node show` has it")
)

const digestOf = Effect.fnUntraced(function*(text: string) {
  const pcrs = toolText(yield* (yield* BootPolicy).selection)
  return yield* Schema.decodeEffect(BootDigest)(text).pipe(
    Effect.mapError(() =>
      new CommandFailed({
        message: "Name the boot by its digest, 64 hexadecimal digits, as `patela node show ID` has it, or " +
          `\`tpm2_pcrread -o FILE ${pcrs}\` and \`sha256sum FILE\` on the machine`
      })
    )
  )
})

const tell = (json: boolean, value: unknown, text: string) => json ? printJson(value) : Console.log(text)

const learn = Command.make(
  "learn",
  { id: nodeIdArgument, json: jsonFlag },
  Effect.fn("policy.pcr.learn")(function*({ id, json }) {
    yield* (yield* Administration).node(id)
    const { digest, changed } = yield* (yield* BootPolicy).learn(yield* administrator, id)
    yield* tell(
      json,
      { digest, changed },
      `${digest}, which node ${id} booted, is allowed${changed ? "" : " already"}.`
    )
  })
).pipe(
  Command.withDescription("Allow what a node showed last that it booted, on every node"),
  Command.withExamples([{ command: "patela policy pcr learn 5", description: "Node 5 booted what it should" }]),
  Command.provide(StoreServices)
)

const allow = Command.make(
  "allow",
  { digest: digestArgument, json: jsonFlag },
  Effect.fn("policy.pcr.allow")(function*({ digest: text, json }) {
    const digest = yield* digestOf(text)
    const changed = yield* (yield* BootPolicy).allow(yield* administrator, digest)
    yield* tell(json, { digest, changed }, `${digest} is allowed${changed ? "" : " already"}.`)
  })
).pipe(
  Command.withDescription("Allow a boot beforehand, by the digest of its PCRs"),
  Command.withExamples([{ command: `patela policy pcr allow ${"4f".repeat(32)}`, description: "Allow one boot" }]),
  Command.provide(StoreServices)
)

const remove = Command.make(
  "remove",
  { digest: digestArgument, json: jsonFlag },
  Effect.fn("policy.pcr.remove")(function*({ digest: text, json }) {
    const digest = yield* digestOf(text)
    const changed = yield* (yield* BootPolicy).remove(yield* administrator, digest)
    yield* tell(json, { digest, changed }, `${digest} ${changed ? "is no longer" : "was not"} allowed.`)
  })
).pipe(
  Command.withDescription("No longer allow a boot; with `enforce on` nodes that booted it are refused at once"),
  Command.withExamples([{ command: `patela policy pcr remove ${"4f".repeat(32)}`, description: "No longer" }]),
  Command.provide(StoreServices)
)

const list = Command.make(
  "list",
  { json: jsonFlag },
  Effect.fn("policy.pcr.list")(function*({ json }) {
    const policy = yield* BootPolicy
    const shown = yield* (yield* ShownBoots).list
    const enforcement = yield* policy.enforcement
    const selection = yield* policy.selection
    const allowed = (yield* policy.allowed).map(({ digest, boot, learned_from, allowed_at }) => ({
      digest,
      allowed_at,
      learned_from,
      pcrs: boot,
      nodes: shown.filter((one) => isOfSelection(one.boot, selection) && bootDigestOf(one.boot) === digest).map((one) =>
        one.node_id
      )
    }))
    if (json) return yield* printJson({ enforcement, selection, allowed })
    yield* Console.log(`Boots are enforced: ${enforcement}. PCRs: ${toolText(selection)}\n`)
    yield* Console.log(
      table(
        ["DIGEST", "ALLOWED (UTC)", "LEARNED FROM", "NODES"],
        allowed.map((one) => [
          one.digest,
          one.allowed_at.slice(0, 19).replace("T", " "),
          one.learned_from === null ? "-" : String(one.learned_from),
          one.nodes.join(" ") || "-"
        ])
      )
    )
  })
).pipe(
  Command.withDescription("List the boots that are allowed, and which nodes showed them last"),
  Command.withExamples([{ command: "patela policy pcr list --json", description: "With the values of PCRs" }]),
  Command.provide(StoreServices)
)

/** The enabled nodes that are refused with `on`, as far as their last evidence tells. */
const refusedNow = Effect.gen(function*() {
  const standing = yield* (yield* BootPolicy).standings
  const nodes = yield* (yield* Nodes).list
  return nodes.filter(({ enabled, id }) => enabled && standing(id).state !== "allowed").map(({ id }) => id)
})

const enforce = Command.make(
  "enforce",
  {
    mode: Argument.Literals("mode", BOOT_ENFORCEMENTS).pipe(
      Argument.withDescription("off: nodes are not asked. warn: lists say what is not allowed. on: that is refused")
    ),
    json: jsonFlag
  },
  Effect.fn("policy.pcr.enforce")(function*({ mode, json }) {
    const changed = yield* (yield* BootPolicy).enforce(yield* administrator, mode)
    const refused = mode === "on" ? yield* refusedNow : []
    const note = refused.length === 0
      ? ""
      : `\nNothing allowed was shown by node ${refused.join(", ")}: refused until what is booted there is allowed.`
    const text = changed ? `Boots are enforced: ${mode}.` : `Boots are enforced: ${mode}, as before.`
    yield* tell(json, { enforcement: mode, changed, refused }, `${text}${note}`)
  })
).pipe(
  Command.withDescription("Decide what is done about boots that are not allowed; works at once"),
  Command.withExamples([{ command: "patela policy pcr enforce warn", description: "Ask nodes, and refuse none" }]),
  Command.provide(StoreServices)
)

const log = Command.make(
  "log",
  {
    id: nodeIdArgument,
    file: Argument.String("file").pipe(Argument.withDescription("Where to write it; a file that is there is kept"))
  },
  Effect.fn("policy.pcr.log")(function*({ id, file }) {
    const files = yield* FileSystem.FileSystem
    yield* (yield* Administration).node(id)
    const eventLog = yield* (yield* ShownBoots).eventLog(id)
    if (Option.isNone(eventLog)) {
      return yield* new CommandFailed({ message: `Node ${id} showed no event log: its firmware may keep none` })
    }
    yield* files.writeFile(file, eventLog.value, { flag: "wx" }).pipe(
      Effect.mapError(({ reason }) => new CommandFailed({ message: `${file} cannot be written: ${reason._tag}` }))
    )
    yield* Console.log(`The event log of node ${id} is in ${file}, ${eventLog.value.length} bytes.`)
  })
).pipe(
  Command.withDescription("Write the event log that came with what a node showed last to a file"),
  Command.withExamples([{
    command: "patela policy pcr log 5 FILE",
    description: "Then `tpm2_eventlog FILE` reads it"
  }]),
  Command.provide(StoreServices)
)

/** `patela policy pcr`. */
export const policyPcr = Command.make("pcr").pipe(
  Command.withDescription("Decide what nodes may have booted"),
  Command.withSubcommands([learn, allow, list, remove, enforce, policyPcrSelect, log])
)
