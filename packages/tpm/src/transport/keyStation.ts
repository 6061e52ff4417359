import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, type FileSystem, Redacted } from "effect"
import { type PcrSelection, pcrText } from "../command/pcr.ts"
import { encodeCredentialFile } from "../credential/CredentialFile.ts"
import type { Credential } from "../credential/makeCredential.ts"
import { policyBranchesSha384 } from "../identity/endorsementPolicy.ts"
import { fromHex, toHex } from "../structures/Hex.ts"
import { codeIs } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import type { RunTool } from "./runTool.ts"
import type { AttestationKeyBytes } from "./Tpm.ts"
import { type TpmError, TpmToolsUnusable } from "./TpmError.ts"

/** The names that `tpm2_createek -G` knows the templates by; its high range for P-384 is H-3. */
const ekAlgorithm: Readonly<Record<EndorsementKeyKind, string>> = {
  "ecc-p256": "ecc",
  "rsa-2048": "rsa",
  "ecc-p384": "ecc384"
}

const AK_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign"

/**
 * The two keys and what they are used for. Both are primary keys, made once a process: their saved contexts are
 * files that only this TPM can load, and only until its next reset (TPM 2.0 part 1, 30.3).
 */
export const keyStation = (options: {
  readonly run: RunTool
  readonly files: FileSystem.FileSystem
  readonly directory: string
  /** Which endorsement key is in use. */
  readonly kind: Effect.Effect<EndorsementKeyKind, TpmError>
  readonly resourceManager: boolean
}) => {
  const { run, files, directory, kind, resourceManager } = options
  const at = (name: string): string => `${directory}/${name}`
  const endorsement = new Map<EndorsementKeyKind, Uint8Array>()
  let attestation: AttestationKeyBytes | undefined

  const onDisk = <A, R>(effect: Effect.Effect<A, { readonly _tag: "PlatformError" }, R>) =>
    Effect.mapError(effect, () =>
      new TpmToolsUnusable({
        command: "work directory",
        message: `${directory} cannot be read or written: it may be full, or was removed while this process ran.`
      }))

  const flush = resourceManager ? Effect.void : Effect.asVoid(run("tpm2_flushcontext", ["-t"]))

  /** A killed predecessor may have left its objects in a bare TPM: clear them and try once more. */
  const withRoom = <A>(effect: Effect.Effect<A, TpmError>): Effect.Effect<A, TpmError> =>
    resourceManager ? effect : effect.pipe(
      Effect.catch((error) =>
        codeIs(error, ResponseCode.objectMemory) ? Effect.andThen(flush, effect) : Effect.fail(error)
      )
    )

  const contextOf = (of: EndorsementKeyKind): string => at(`ek-${of}.ctx`)

  const endorsementKeyOf = Effect.fnUntraced(function*(of: EndorsementKeyKind) {
    const before = endorsement.get(of)
    if (before !== undefined) return before
    const args = ["-Q", "-G", ekAlgorithm[of], "-c", contextOf(of), "-u", at("ek.pub"), "-f", "tss"]
    yield* withRoom(run("tpm2_createek", args)).pipe(Effect.ensuring(Effect.ignore(flush)))
    const made = yield* onDisk(files.readFile(at("ek.pub")))
    endorsement.set(of, made)
    return made
  })

  const endorsementKey: Effect.Effect<Uint8Array, TpmError> = Effect.flatMap(kind, endorsementKeyOf)

  const attestationKey: Effect.Effect<AttestationKeyBytes, TpmError> = Effect.suspend(() =>
    attestation === undefined ? makeAttestationKey : Effect.succeed(attestation)
  )

  const makeAttestationKey = Effect.gen(function*() {
    const template = ["-G", "ecc256:ecdsa-sha256:null", "-g", "sha256", "-a", AK_ATTRIBUTES]
    const read = ["-Q", "-c", at("ak.ctx"), "-f", "tss", "-o", at("ak.pub"), "-n", at("ak.name")]
    yield* withRoom(run("tpm2_createprimary", ["-Q", "-C", "e", ...template, "-c", at("ak.ctx")])).pipe(
      Effect.andThen(run("tpm2_readpublic", read)),
      Effect.ensuring(Effect.ignore(flush))
    )
    attestation = {
      public: yield* onDisk(files.readFile(at("ak.pub"))),
      name: yield* onDisk(files.readFile(at("ak.name")))
    }
    return attestation
  })

  /** Fulfils the policy of the endorsement key in a session: PolicySecret, and for the high range PolicyOR after it. */
  const fulfilPolicy = Effect.fnUntraced(function*(of: EndorsementKeyKind) {
    yield* run("tpm2_policysecret", ["-Q", "-S", at("session.ctx"), "-c", "e"])
    if (of !== "ecc-p384") return
    const [secret, authorised] = policyBranchesSha384
    yield* onDisk(files.writeFile(at("policy.a"), yield* policyBytes(secret)))
    yield* onDisk(files.writeFile(at("policy.c"), yield* policyBytes(authorised)))
    yield* run("tpm2_policyor", ["-Q", "-S", at("session.ctx"), `sha384:${at("policy.a")},${at("policy.c")}`])
  })

  const policyBytes = (digest: string) => Effect.orDie(Effect.fromResult(fromHex(digest, "policy")))

  const activateOnce = (credential: Credential, of: EndorsementKeyKind) =>
    Effect.gen(function*() {
      yield* onDisk(files.writeFile(at("credential"), encodeCredentialFile(credential), { mode: 0o600 }))
      const hash = of === "ecc-p384" ? "sha384" : "sha256"
      yield* run("tpm2_startauthsession", ["--policy-session", "-g", hash, "-S", at("session.ctx")])
      const keys = ["-Q", "-c", at("ak.ctx"), "-C", contextOf(of)]
      const data = ["-i", at("credential"), "-o", at("opened")]
      const activation = Effect.andThen(
        fulfilPolicy(of),
        withRoom(run("tpm2_activatecredential", [...keys, ...data, "-P", `session:${at("session.ctx")}`]))
      )
      // A session that did its work is gone; one that did not would stay in the TPM for ever.
      yield* Effect.onError(activation, () => Effect.ignore(run("tpm2_flushcontext", [at("session.ctx")])))
      return Redacted.make(yield* onDisk(files.readFile(at("opened"))), { label: "credential" })
    }).pipe(
      Effect.ensuring(
        Effect.all([
          Effect.forEach(["opened", "credential", "session.ctx"], (name) => Effect.ignore(files.remove(at(name)))),
          Effect.ignore(flush)
        ])
      )
    )

  const activate = Effect.fnUntraced(function*(credential: Credential) {
    const of = yield* kind
    yield* endorsementKeyOf(of)
    yield* attestationKey
    return yield* Effect.tapError(activateOnce(credential, of), () =>
      // A reset of the TPM makes saved contexts useless: make the keys anew the next time.
      Effect.sync(() => {
        endorsement.clear()
        attestation = undefined
      }))
  })

  const quote = Effect.fnUntraced(function*(nonce: Uint8Array, selection: PcrSelection) {
    yield* attestationKey
    const what = ["-Q", "-c", at("ak.ctx"), "-l", pcrText(selection), "-q", toHex(nonce)]
    yield* withRoom(run("tpm2_quote", [...what, "-f", "tss", "-m", at("quoted"), "-s", at("signature")])).pipe(
      Effect.ensuring(Effect.ignore(flush)),
      Effect.tapError(() => Effect.sync(() => attestation = undefined))
    )
    return {
      attested: yield* onDisk(files.readFile(at("quoted"))),
      signature: yield* onDisk(files.readFile(at("signature")))
    }
  })

  return { endorsementKey, attestationKey, activate, quote }
}
