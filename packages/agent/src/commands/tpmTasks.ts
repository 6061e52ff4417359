import * as NodeServices from "@effect/platform-node/NodeServices"
import { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { CurrentImagePolicy } from "@patela/tpm/policy/ImagePolicy"
import { APPROVABLE_PCRS } from "@patela/tpm/policy/policyDigest"
import { KeyStore } from "@patela/tpm/store/KeyStore"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Console, Effect, Layer, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import { KeptConfig } from "../host/KeptConfig.ts"
import { tellImagePolicy } from "../keys/tellImagePolicy.ts"
import { tpmLayer } from "../NodeLayer.ts"

/** What `tpm status --json` prints. */
const StatusDocument = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  manufacturer: Schema.String,
  in_lockout: Schema.Boolean,
  nv_index_max: Schema.Int,
  nv_buffer_max: Schema.Int,
  persistent_handles: Schema.Array(Schema.String),
  /** PCRs of SHA-256 that an image may be approved by, as `patela policy sign-image` takes them. */
  image_pcrs: Schema.Record(Schema.String, Schema.String),
  /** Of the endorsement key that this TPM's certificates are for, by which a new machine is known. */
  ek_kind: EndorsementKeyKind,
  ek_sha256: Schema.String,
  /** Of its P-256 one, where that is another: a machine that was enabled with it stays known by it. */
  ek_p256_sha256: Schema.NullOr(Schema.String),
  ak_name: Schema.String,
  key_store: Schema.NullOr(
    Schema.Struct({ relays: Schema.Int, families: Schema.Int, sequence: Schema.Int, digest: Schema.String })
  ),
  /** Why it cannot be looked at: the image is not approved, or the policy is not known. */
  key_store_closed: Schema.NullOr(Schema.String),
  nv_indexes: Schema.Array(Schema.Struct({ index: Schema.String, size: Schema.Int }))
}))

/** The TPM did not do what the command asked of it. */
export class TpmUnusable extends Schema.TaggedError<TpmUnusable>()("TpmUnusable", { message: Schema.String }) {}

/** The image policy of the configuration that the node keeps of this boot: without it a bound store is closed. */
const keptPolicy = Layer.effectDiscard(
  Effect.gen(function*() {
    const kept = yield* (yield* KeptConfig).read
    if (Option.isSome(kept)) yield* tellImagePolicy(kept.value)
  })
).pipe(Layer.provide(KeptConfig.layer), Layer.provideMerge(CurrentImagePolicy.layer))

const withTpm = <A, E extends { readonly message: string }>(
  work: Effect.Effect<A, E, Tpm | KeyStore>,
  address: string
): Effect.Effect<A, TpmUnusable> =>
  work.pipe(
    Effect.provide(
      KeyStore.layer.pipe(
        Layer.provideMerge(tpmLayer(address)),
        Layer.provide(keptPolicy),
        Layer.provide(NodeServices.layer)
      )
    ),
    Effect.mapError(({ message }) => new TpmUnusable({ message }))
  )

const handleText = (handle: number): string => `0x${handle.toString(16).padStart(8, "0")}`

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex")

const endorsementKeys = Effect.fnUntraced(function*(device: Tpm["Service"]) {
  const key = yield* device.endorsementKey
  const { kind } = yield* Effect.fromResult(endorsementKeyFromHex(Buffer.from(key).toString("hex")))
  const shown = { ek_kind: kind, ek_sha256: sha256(key) }
  if (kind === "ecc-p256") return { ...shown, ek_p256_sha256: null }
  yield* device.useEndorsementKey("ecc-p256")
  return { ...shown, ek_p256_sha256: sha256(yield* device.endorsementKey) }
})

const imagePcrs = Effect.fnUntraced(function*(device: Tpm["Service"]) {
  const values = yield* device.pcrRead(APPROVABLE_PCRS)
  return Object.fromEntries([...values].map(([pcr, value]) => [String(pcr), Buffer.from(value).toString("hex")]))
})

/** How many NV indexes the key store has, both slots together, and their bytes. */
const indexLine = (indexes: ReadonlyArray<{ readonly index: string; readonly size: number }>): string =>
  indexes.length === 0
    ? "none"
    : `${indexes.length}, ${indexes.reduce((sum, { size }) => sum + size, 0)} bytes in all: ${
      indexes.map(({ index }) => index).join(" ")
    }`

/** What `patela-agent tpm status` does. */
export const showTpm = Effect.fn("showTpm")(function*(options: { readonly tpm: string; readonly json: boolean }) {
  const status = yield* withTpm(
    Effect.gen(function*() {
      const device = yield* Tpm
      const limits = yield* device.limits
      const attestation = yield* device.attestationKey
      const keys = yield* KeyStore
      const store = yield* keys.header.pipe(
        Effect.map((header) => ({ header, closed: Option.none<string>() })),
        Effect.catchTag(
          "TpmPolicyUnmet",
          ({ message }) => Effect.succeed({ header: Option.none(), closed: Option.some(message) })
        )
      )
      return {
        version: 1,
        manufacturer: limits.manufacturer,
        in_lockout: limits.inLockout,
        nv_index_max: limits.nvIndexMax,
        nv_buffer_max: limits.nvBufferMax,
        persistent_handles: (yield* device.persistentHandles).map(handleText),
        image_pcrs: yield* imagePcrs(device),
        ...yield* endorsementKeys(device),
        ak_name: Buffer.from(attestation.name).toString("hex"),
        key_store: Option.getOrNull(
          Option.map(
            store.header,
            ({ count, digest, families, sequence }) => ({ relays: count, families, sequence, digest })
          )
        ),
        key_store_closed: Option.getOrNull(store.closed),
        nv_indexes: (yield* keys.indexes).map(({ index, size }) => ({ index: handleText(index), size }))
      } satisfies typeof StatusDocument.Type
    }),
    options.tpm
  )
  if (options.json) return yield* Console.log(yield* Schema.encodeEffect(StatusDocument)(status))
  yield* Console.log(
    [
      `TPM               ${status.manufacturer}${status.in_lockout ? ", in lockout" : ""}`,
      `Endorsement key   sha256:${status.ek_sha256} (${status.ek_kind})`,
      ...status.ek_p256_sha256 === null
        ? []
        : [`  enabled before  sha256:${status.ek_p256_sha256} (ecc-p256)`],
      `Attestation key   ${status.ak_name}`,
      `NV memory         ${status.nv_index_max} bytes an index, ${status.nv_buffer_max} a read`,
      ...Object.entries(status.image_pcrs).map(([pcr, value]) => `${`PCR ${pcr}`.padEnd(18)}${value}`),
      `Persistent        ${status.persistent_handles.join(" ") || "nothing"}`,
      `Key store         ${
        status.key_store_closed !== null
          ? `closed: ${status.key_store_closed}`
          : status.key_store === null
          ? "empty"
          : `${status.key_store.relays} relays, ${status.key_store.families} family keys, written ${status.key_store.sequence} times`
      }`,
      `NV indexes        ${indexLine(status.nv_indexes)}`
    ].join("\n")
  )
})

/** What `patela-agent tpm clean-persistent` does. */
export const cleanPersistent = Effect.fn("cleanPersistent")(function*(options: { readonly tpm: string }) {
  yield* withTpm(
    Effect.gen(function*() {
      const device = yield* Tpm
      const handles = yield* device.persistentHandles
      for (const handle of handles) {
        yield* device.evictPersistent(handle)
        yield* Console.log(`removed ${handleText(handle)}`)
      }
      if (handles.length === 0) yield* Console.log("nothing is persistent in this TPM")
    }),
    options.tpm
  )
})

/** What `patela-agent tpm erase-keys --yes` does. */
export const eraseKeys = Effect.fn("eraseKeys")(function*(options: { readonly tpm: string }) {
  yield* withTpm(Effect.flatMap(KeyStore, (store) => store.erase), options.tpm)
  yield* Console.log("the key store is empty")
})
