import { Console, Effect, Option, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { Nodes } from "../nodes/Nodes.ts"
import { EkHash, ekHashOf } from "../trust/EkHash.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { TRUST_TIERS } from "../trust/TrustTier.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { policyPcr } from "./policyPcr.ts"
import { printJson } from "./print.ts"
import { signImage } from "./signImage.ts"
import { StoreServices } from "./StoreServices.ts"
import { table } from "./table.ts"

const hashOf = (text: Option.Option<string>) =>
  Schema.decodeEffect(EkHash)(Option.getOrElse(text, () => "")).pipe(
    Effect.mapError(() =>
      new CommandFailed({
        message: "Name the endorsement key by its SHA-256, 64 hexadecimal digits, as `patela-agent tpm status` and " +
          "`patela list node` show it"
      })
    )
  )

/** The allowed keys, each with the nodes that have it. */
const allowedKeys = Effect.gen(function*() {
  const allowed = yield* (yield* TrustPolicy).allowed
  const nodes = yield* (yield* Nodes).list
  return allowed.map(({ ek_sha256, allowed_at }) => ({
    ek_sha256,
    allowed_at,
    nodes: nodes.filter((node) => ekHashOf(node.ek_public) === ek_sha256).map(({ id }) => id)
  }))
})

const listAllowed = Effect.fnUntraced(function*(json: boolean) {
  const keys = yield* allowedKeys
  if (json) return yield* printJson({ allowed: keys })
  yield* Console.log(
    table(
      ["EK SHA-256", "ALLOWED (UTC)", "NODES"],
      keys.map((key) => [
        key.ek_sha256,
        key.allowed_at.slice(0, 19).replace("T", " "),
        key.nodes.join(" ") || "-"
      ])
    )
  )
})

const allowEk = Command.make(
  "allow-ek",
  {
    what: Argument.String("hash").pipe(
      Argument.withDescription("SHA-256 of the key's TPM2B_PUBLIC, as `patela-agent tpm status` shows it; list; remove")
    ),
    hash: Argument.String("removed").pipe(
      Argument.withDescription("After remove: the SHA-256 to take off the list"),
      Argument.optional
    ),
    json: jsonFlag
  },
  Effect.fn("policy.allow-ek")(function*({ what, hash, json }) {
    const policy = yield* TrustPolicy
    if (what === "list" && Option.isNone(hash)) return yield* listAllowed(json)
    if (what === "remove") {
      const removed = yield* hashOf(hash)
      const changed = yield* policy.remove(yield* administrator, removed)
      return yield* Console.log(changed ? `${removed} is no longer allowed.` : `${removed} was not allowed.`)
    }
    if (Option.isSome(hash)) {
      return yield* new CommandFailed({ message: "Say one thing: allow-ek HASH, allow-ek list, allow-ek remove HASH" })
    }
    const added = yield* hashOf(Option.some(what))
    const changed = yield* policy.allow(yield* administrator, added)
    yield* Console.log(changed ? `${added} is allowed.` : `${added} is allowed already.`)
  })
).pipe(
  Command.withDescription("Allow an endorsement key beforehand, by its hash: its machine is allow-listed"),
  Command.withExamples([
    { command: `patela policy allow-ek ${"4f".repeat(32)}`, description: "Allow one key" },
    { command: "patela policy allow-ek list", description: "The keys that are allowed" },
    { command: `patela policy allow-ek remove ${"4f".repeat(32)}`, description: "No longer" }
  ]),
  Command.provide(StoreServices)
)

const tier = Command.make(
  "tier",
  {
    tier: Argument.Literals("tier", TRUST_TIERS).pipe(
      Argument.withDescription(
        "The lowest tier of endorsement keys that is accepted; without it, the one of now is printed"
      ),
      Argument.optional
    ),
    json: jsonFlag
  },
  Effect.fn("policy.tier")(function*({ tier: wanted, json }) {
    const policy = yield* TrustPolicy
    if (Option.isNone(wanted)) {
      const lowest = yield* policy.lowest
      return yield* json ? printJson({ lowest_tier: lowest }) : Console.log(lowest)
    }
    const changed = yield* policy.setLowest(yield* administrator, wanted.value)
    yield* Console.log(
      changed
        ? `The lowest tier is now ${wanted.value}; nodes under it are refused at once.`
        : `The lowest tier is ${wanted.value} already; nothing was changed.`
    )
  })
).pipe(
  Command.withDescription("Set the lowest tier of endorsement keys that is accepted, or print it"),
  Command.withExamples([
    { command: "patela policy tier", description: "The lowest tier now" },
    { command: "patela policy tier allow-listed", description: "Only keys that were allowed, or have a certificate" }
  ]),
  Command.provide(StoreServices)
)

export const policy = Command.make("policy").pipe(
  Command.withDescription("Decide which machines are trusted, and what they must have booted"),
  Command.withSubcommands([allowEk, tier, policyPcr, signImage])
)
