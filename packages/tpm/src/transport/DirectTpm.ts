import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, Layer, Option, type Redacted, Semaphore } from "effect"
import { emptyPassword } from "../command/Command.ts"
import { entityOf, HandleRange, owner } from "../command/Entity.ts"
import { getProperty, IN_LOCKOUT, Property } from "../command/getCapability.ts"
import { nvDefineSpace, nvUndefineSpace } from "../command/nv.ts"
import type { PcrSelection } from "../command/pcr.ts"
import { evictControl } from "../command/primaryKey.ts"
import { decodeCredential } from "../credential/CredentialFile.ts"
import type { Credential } from "../credential/makeCredential.ts"
import type { ImagePolicySource } from "../policy/ImagePolicy.ts"
import { authorisedPolicy, POLICY_REFERENCE } from "../policy/policyDigest.ts"
import { nameOf } from "../structures/Name.ts"
import { approvedOn, noImagePolicy } from "./approvedOn.ts"
import type { Connect } from "./Connection.ts"
import { type Line, makeExchange } from "./Exchange.ts"
import { kindInUse } from "./kindInUse.ts"
import { loadedKeys } from "./loadedKeys.ts"
import { BOUND_NV_BITS, NV_BITS } from "./nvAttributes.ts"
import { whenAbsent, whenDefined, whenRead } from "./nvFault.ts"
import { nvMemory } from "./nvMemory.ts"
import { nvPublicOn } from "./nvPublicOn.ts"
import { pcrsOn } from "./pcrsOn.ts"
import { asText } from "./readAnswer.ts"
import { allHandles } from "./roomInTpm.ts"
import { hasResourceManager, type Tcti } from "./Tcti.ts"
import { Tpm } from "./Tpm.ts"
import { writtenCertificates } from "./writtenCertificates.ts"

/** The TPM by its own commands, without a process: to a device, or to a swtpm's socket. */
export class DirectTpm {
  /**
   * `connect` comes from `directConnect`. `endorsementKey` is the kind to begin with, else the certificates in NV memory decide.
   * Nothing is opened until a method is used, so the layer itself also builds where there is no TPM.
   */
  static readonly layer = (options: {
    readonly tcti: Tcti
    readonly connect: Connect
    readonly endorsementKey?: EndorsementKeyKind
    readonly imagePolicy?: ImagePolicySource
  }): Layer.Layer<Tpm> =>
    Layer.effect(
      Tpm,
      make(
        options.tcti,
        options.connect,
        options.endorsementKey,
        options.imagePolicy ?? Effect.succeed(Option.none())
      )
    )
}

const make = Effect.fnUntraced(function*(
  tcti: Tcti,
  connect: Connect,
  endorsementKey: EndorsementKeyKind | undefined,
  imagePolicy: ImagePolicySource
) {
  const exchange = yield* makeExchange(tcti, connect)
  const kind = kindInUse(endorsementKey)
  const keys = loadedKeys((line) => kind.of(writtenCertificates(line)), hasResourceManager(tcti))
  const nv = nvMemory(keys.inSession, imagePolicy)
  const oneAtATime = Semaphore.makeUnsafe(1).withPermit
  const onLine = <A, E>(use: (line: Line) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    oneAtATime(Effect.scoped(Effect.flatMap(exchange.line, use)))

  const limits = Effect.fnUntraced(function*(line: Line) {
    return {
      nvBufferMax: yield* line.send(getProperty(Property.nvBufferMax)),
      nvIndexMax: yield* line.send(getProperty(Property.nvIndexMax)),
      manufacturer: asText(yield* line.send(getProperty(Property.manufacturer))),
      inLockout: ((yield* line.send(getProperty(Property.permanent))) & IN_LOCKOUT) !== 0
    }
  })

  /** What a new index opens by. */
  const binding = Effect.map(
    imagePolicy,
    Option.match({
      onNone: () => ({ attributes: NV_BITS, authPolicy: new Uint8Array() }),
      onSome: ({ key }) => ({
        attributes: BOUND_NV_BITS,
        authPolicy: authorisedPolicy(nameOf(key), POLICY_REFERENCE)
      })
    })
  )

  return Tpm.of({
    endorsementKey: onLine(keys.endorsementKey).pipe(
      Effect.map((key) => key.public),
      Effect.withSpan("Tpm.endorsementKey")
    ),
    useEndorsementKey: kind.use,
    attestationKey: onLine(keys.attestationKey).pipe(
      Effect.map(({ name, public: area }) => ({ public: area, name })),
      Effect.withSpan("Tpm.attestationKey")
    ),
    activateCredential: Effect.fn("Tpm.activateCredential")(function*(credential: Credential) {
      const checked = yield* Effect.fromResult(decodeCredential(credential))
      return yield* onLine((line) => keys.activate(line, checked))
    }),
    quote: Effect.fn("Tpm.quote")((nonce: Uint8Array, selection: PcrSelection) =>
      onLine((line) => keys.quote(line, nonce, selection))
    ),
    pcrRead: Effect.fn("Tpm.pcrRead")((selection: PcrSelection) => onLine((line) => pcrsOn(line, selection))),
    nvRead: Effect.fn("Tpm.nvRead")((index: number, offset: number, size?: number) =>
      onLine((line) => nv.read(line, index, offset, size)).pipe(Effect.mapError(whenRead(index)))
    ),
    nvWrite: Effect.fn("Tpm.nvWrite")((index: number, offset: number, data: Redacted.Redacted<Uint8Array>) =>
      onLine((line) => nv.write(line, index, offset, data)).pipe(Effect.mapError(whenAbsent(index)))
    ),
    nvAttributes: Effect.map(binding, ({ attributes }) => attributes),
    imagePcrs: Effect.flatMap(
      imagePolicy,
      Option.match({
        onNone: () => noImagePolicy(),
        onSome: ({ approved }) => onLine((line) => Effect.map(approvedOn(line, approved), ({ values }) => values))
      })
    ).pipe(Effect.withSpan("Tpm.imagePcrs")),
    nvDefine: Effect.fn("Tpm.nvDefine")(function*(index: number, size: number) {
      const area = { index, size, ...(yield* binding) }
      yield* onLine((line) => line.send(nvDefineSpace(area), [emptyPassword])).pipe(
        Effect.mapError(whenDefined(index, size))
      )
    }),
    nvUndefine: Effect.fn("Tpm.nvUndefine")((index: number) =>
      onLine((line) => line.send(nvUndefineSpace(entityOf(index)), [emptyPassword])).pipe(
        Effect.mapError(whenAbsent(index))
      )
    ),
    nvPublics: onLine((line) =>
      Effect.flatMap(
        allHandles(line, HandleRange.nvIndex),
        (indexes) => Effect.map(Effect.forEach(indexes, (index) => nvPublicOn(line, index)), (found) => found.flat())
      )
    ).pipe(Effect.withSpan("Tpm.nvPublics")),
    limits: onLine(limits).pipe(Effect.withSpan("Tpm.limits")),
    persistentHandles: onLine((line) => allHandles(line, HandleRange.persistent)),
    evictPersistent: Effect.fn("Tpm.evictPersistent")((handle: number) =>
      onLine((line) => line.send(evictControl(owner, entityOf(handle)), [emptyPassword]))
    )
  })
})
