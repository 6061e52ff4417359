import { FAMILY_SECRET_BYTES, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import {
  IdentityStoreFailed,
  IdentityStoreReader,
  IdentityStoreWriter,
  type StoredIdentities,
  StoreTag
} from "@patela/reconcilers/identity/IdentityStore"
import { identityFromBytes } from "@patela/reconcilers/identity/RelayIdentity"
import { KeyStore } from "@patela/tpm/store/KeyStore"
import { Effect, Layer, Option, Redacted, Result } from "effect"

/** What the identity kinds keep keys in: two slots in the TPM's NV memory. Both use the same bytes and digest. */
export class TpmIdentityStore {
  static readonly readerLayer = Layer.effect(
    IdentityStoreReader,
    Effect.map(KeyStore, (store) =>
      IdentityStoreReader.of({
        isToMove: Effect.mapError(store.isToMove, refusal),
        digest: store.header.pipe(Effect.map(Option.map(({ digest }) => digest)), Effect.mapError(refusal)),
        read: store.read.pipe(
          Effect.mapError(refusal),
          Effect.flatMap(Option.match({
            onNone: (): Effect.Effect<StoredIdentities, IdentityStoreFailed> => Effect.succeed(new Map()),
            onSome: ({ secrets }) => Effect.fromResult(identitiesOf(secrets))
          }))
        )
      }))
  )

  static readonly writerLayer = Layer.effect(
    IdentityStoreWriter,
    Effect.map(KeyStore, (store) =>
      IdentityStoreWriter.of({
        write: (entries) =>
          store.write(entries).pipe(
            Effect.mapError(refusal),
            Effect.asVoid
          )
      }))
  )
}

const identitiesOf = (secrets: ReadonlyMap<string, Redacted.Redacted<Uint8Array>>) =>
  Result.gen(function*() {
    const identities = new Map<StoreTag, Redacted.Redacted<Uint8Array>>()
    for (const [tag, secret] of secrets) {
      const bytes = Redacted.value(secret)
      const identity: Result.Result<Redacted.Redacted<Uint8Array>, { readonly message: string }> =
        bytes.length === FAMILY_SECRET_BYTES ? familySecretFromBytes(bytes) : identityFromBytes(bytes)
      if (Result.isFailure(identity)) {
        const message = `the key store in the TPM holds no identity at ${tag}: ${identity.failure.message}`
        return yield* Result.fail(new IdentityStoreFailed({ reason: "damaged", message }))
      }
      identities.set(StoreTag.make(tag), identity.success)
    }
    return identities
  })

const REASONS: Readonly<Record<string, IdentityStoreFailed["reason"]>> = {
  KeyStoreDamaged: "damaged",
  KeyStoreFull: "full",
  KeyStoreObstructed: "refused",
  KeyStoreUnmeasured: "refused",
  TpmPolicyUnmet: "refused",
  TpmAbsent: "absent",
  TpmRefused: "refused",
  TpmLockedOut: "refused"
}

const refusal = (error: { readonly _tag: string; readonly message: string }): IdentityStoreFailed =>
  new IdentityStoreFailed({ reason: REASONS[error._tag] ?? "unavailable", message: error.message })
