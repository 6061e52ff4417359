import { decodeCertificate } from "@patela/tpm/certificate/Certificate"
import type { EndorsementKey } from "@patela/tpm/identity/EndorsementKey"
import { Clock, Config, Context, Effect, FileSystem, Layer, Option, Result, Schema } from "effect"
import { createHash, X509Certificate } from "node:crypto"
import { ChainVerification } from "./ChainVerification.ts"

/** PATELA_EK_ROOTS names no folder of certificates. */
export class RootsRefused extends Schema.TaggedError<RootsRefused>()("RootsRefused", { message: Schema.String }) {}

const ADVICE = "Put the root certificates of TPM vendors there, PEM or DER, and nothing else"

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Most certificates of one endorsement key that are looked at: its own, and those between it and a root. */
export const MOST_CERTIFICATES = 5

const digestOf = (der: Uint8Array): string => createHash("sha256").update(der).digest("hex")

/** The certificates in a file: any number in PEM, or one that is DER itself. */
const certificatesIn = Effect.fnUntraced(function*(path: string, content: Uint8Array) {
  const written = Buffer.from(content).toString("latin1").match(PEM) ?? []
  return yield* Effect.forEach(written.length === 0 ? [content] : written, (one) =>
    Effect.try({
      try: () => new Uint8Array(new X509Certificate(one).raw),
      catch: () => new RootsRefused({ message: `${path} cannot be read as a certificate. ${ADVICE}` })
    }).pipe(
      Effect.flatMap((bytes) => Effect.fromResult(decodeCertificate(bytes, "it"))),
      Effect.mapError(({ message }) => new RootsRefused({ message: `${path} is not taken as a root: ${message}` }))
    ))
})

/** The vendors whose word counts: the root certificates in the operator's folder, read when the server starts. */
export class EndorsementRoots extends Context.Service<EndorsementRoots, {
  readonly count: number
  /** Whether a root, by the SHA-256 of its certificate, is still one. */
  readonly has: (root: string) => boolean
  /**
   * The root that vouches for an endorsement key, by the SHA-256 of its certificate; none where the chain does not hold.
   * `certificates` are DER: that of the key first, then those between.
   */
  readonly vouching: (
    endorsementKey: EndorsementKey,
    certificates: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<Option.Option<string>>
}>()("@patela/server/trust/EndorsementRoots") {
  /** From the folder that PATELA_EK_ROOTS names; without it nobody vouches. */
  static readonly layer = Layer.effect(
    EndorsementRoots,
    Effect.gen(function*() {
      const verify = yield* ChainVerification
      const setting = yield* Effect.orDie(Config.option(Config.String("PATELA_EK_ROOTS")))
      const folder = Option.filter(setting, (path) => path !== "")
      const roots = Option.isNone(folder) ? [] : yield* readFolder(folder.value)
      const digests = new Set(roots.map(({ der }) => digestOf(der)))

      const vouching = Effect.fn("EndorsementRoots.vouching")(
        function*(endorsementKey: EndorsementKey, certificates: ReadonlyArray<Uint8Array>) {
          const [certificate, ...intermediates] = certificates
          if (roots.length === 0 || certificate === undefined || certificates.length > MOST_CERTIFICATES) {
            return Option.none<string>()
          }
          const now = yield* Clock.currentTimeMillis
          const verified = verify({ certificate, intermediates, roots, endorsementKey, now })
          if (Result.isSuccess(verified)) {
            const root = digestOf(verified.success.root)
            return digests.has(root) ? Option.some(root) : Option.none<string>()
          }
          yield* Effect.logDebug(`a certificate of an endorsement key is not believed: ${verified.failure.message}`)
          return Option.none<string>()
        }
      )

      return EndorsementRoots.of({ count: roots.length, has: (root) => digests.has(root), vouching })
    })
  )
}

const readFolder = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(folder).pipe(
    Effect.mapError(({ reason }) =>
      new RootsRefused({ message: `The folder ${folder} of PATELA_EK_ROOTS cannot be read: ${reason._tag}. ${ADVICE}` })
    )
  )
  const found = yield* Effect.forEach(names.toSorted(), (name) => {
    const path = `${folder}/${name}`
    return fs.readFile(path).pipe(
      Effect.mapError(() => new RootsRefused({ message: `${path} cannot be read as a certificate. ${ADVICE}` })),
      Effect.flatMap((content) => certificatesIn(path, content))
    )
  })
  if (found.flat().length === 0) {
    return yield* new RootsRefused({ message: `The folder ${folder} of PATELA_EK_ROOTS is empty. ${ADVICE}` })
  }
  return found.flat()
})
