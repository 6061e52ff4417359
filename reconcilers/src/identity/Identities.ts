import { type Change, differences } from "@patela/domain/reconciler/Change"
import { type KindSpec, make } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { Effect, Option } from "effect"
import type { FileMonitor } from "../host/FileMonitor.ts"
import { fingerprintLine, type HostIdentity } from "./HostIdentity.ts"
import { IdentityPolicy } from "./IdentityPolicy.ts"
import { IdentityStoreReader, relayUnder, type StoredIdentities, storeTagOf } from "./IdentityStore.ts"
import { KeyFileReader } from "./KeyFileReader.ts"
import { KeyFileWriter } from "./KeyFileWriter.ts"
import { contradiction, contradicts, type DesiredIdentity, restorationOf } from "./Restoration.ts"
import { TorKeygen } from "./TorKeygen.ts"
import { watchKeyFiles } from "./watchKeyFiles.ts"

const addressOf = (name: RelayName): ResourceAddress => `relay/${name}/identity`

type IdentityWriters = IdentityStoreReader | KeyFileReader | KeyFileWriter | TorKeygen

/**
 * Every relay has its two key files before its unit starts: restored from the TPM, or made by tor for a relay that
 * nobody has seen yet. It removes nothing: a relay's state goes with its directories, its key in the TPM stays.
 */
export const identitySpec: KindSpec<DesiredIdentity, HostIdentity, FileMonitor | KeyFileReader, IdentityWriters> = {
  kind: "identity",

  desired: ({ config }) =>
    config.relays.map(({ fingerprint, formerly = [], name, slot }) => ({
      address: addressOf(name),
      scope: relayScope(name),
      needs: [`relay/${name}/account`, `relay/${name}/directories`],
      value: { name, uid: uidOf(slot), gid: uidOf(slot), record: fingerprint, formerly }
    })),

  observe: Effect.fn("identity.observe")(function*(desired) {
    const reader = yield* KeyFileReader
    const seen = yield* reader.look(desired.map(({ value }) => value))
    return new Map([...seen].filter(([, { state }]) => state !== "absent").map(([name, it]) => [addressOf(name), it]))
  }),

  diff: (desired, observed) =>
    differences({ desired, observed, compare, created: createdLines, removed: () => undefined }),

  apply: Effect.fn("identity.apply")(function*(changes) {
    const { restore } = yield* IdentityPolicy
    const store = yield* IdentityStoreReader
    const wanted = changes.filter(isWanted)
    const asks = restore && wanted.some((change) => observedOf(change).state !== "present")
    const stored = yield* (asks ? store.read : Effect.succeed<StoredIdentities>(new Map())).pipe(Effect.result)
    const outcomes = yield* Effect.forEach(
      wanted,
      (change) => {
        if (stored._tag === "Failure" && observedOf(change).state !== "present") {
          const message = `the key of ${change.desired.name} cannot be looked for: ${stored.failure.message}`
          return Effect.succeed([change.address, failed(message)] as const)
        }
        const entries = stored._tag === "Success" ? stored.success : new Map<never, never>()
        return Effect.map(restoreOne(change, entries, restore), (outcome) => [change.address, outcome] as const)
      },
      { concurrency: 16 }
    )
    return new Map(outcomes)
  }),

  watch: watchKeyFiles("identity")
}

type Wanted = Exclude<Change<DesiredIdentity, HostIdentity>, { readonly action: "remove" }>

const isWanted = (change: Change<DesiredIdentity, HostIdentity>): change is Wanted => change.action !== "remove"

const observedOf = (change: Wanted): HostIdentity => change.action === "update" ? change.observed : { state: "absent" }

const restoreOne = Effect.fnUntraced(
  function*(change: Wanted, stored: StoredIdentities, restore: boolean) {
    const { desired } = change
    const writer = yield* KeyFileWriter
    const observed = observedOf(change)
    const names = [desired.name, ...desired.formerly]
    const found = Option.fromUndefinedOr(
      names.map((name) => relayUnder(stored, storeTagOf(name))).find((identity) => identity !== undefined)
    )
    const restoration = restorationOf(desired, observed, found, restore)
    switch (restoration.step) {
      case "refuse":
        return failed(restoration.message)
      case "write":
        yield* writer.write(desired, restoration.identity)
        return done
      case "mint": {
        const keygen = yield* TorKeygen
        yield* writer.clearDerived(desired)
        yield* keygen.make(desired.name)
        // Tor leaves the file that was there before as it was, with whatever mode.
        return observed.state === "partial" ? yield* rewrite(desired) : done
      }
      case "rewrite":
        return yield* rewrite(desired)
    }
  },
  Effect.catch(({ message }): Effect.Effect<Outcome> => Effect.succeed(failed(message)))
)

/** The same keys again, with the right owner and mode. */
const rewrite = Effect.fnUntraced(function*(desired: DesiredIdentity) {
  const reader = yield* KeyFileReader
  const writer = yield* KeyFileWriter
  const identity = yield* reader.identity(desired)
  if (Option.isNone(identity)) return failed(`the key files of ${desired.name} went away while they were mended`)
  yield* writer.write(desired, identity.value)
  return done
})

const createdLines = ({ record }: DesiredIdentity): ReadonlyArray<string> => [
  record === null
    ? "identity from the TPM, or new where it has none"
    : `identity ${fingerprintLine(record)} from the TPM`
]

const compare = (desired: DesiredIdentity, host: HostIdentity): ReadonlyArray<string> => {
  switch (host.state) {
    case "absent":
      return createdLines(desired)
    case "partial":
      return [`the ${host.missing} key file is missing (sensitive)`]
    case "damaged":
      return [`the key files cannot be used: ${host.why}`]
    case "present":
      return contradicts(desired.record, host.fingerprints)
        ? [contradiction(desired, host.fingerprints)]
        : host.untidy
  }
}

export const Identities = make(identitySpec)
