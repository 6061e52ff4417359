import { type ProofChallenge, provedWith } from "@patela/domain/api/Proof"
import type { ProofRequest } from "@patela/domain/api/PublicApi"
import { makeCredential } from "@patela/tpm/credential/makeCredential"
import { toHex } from "@patela/tpm/structures/Hex"
import type { TpmtPublic } from "@patela/tpm/structures/TpmtPublic"
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { keysDigest } from "./keysDigest.ts"
import { CHALLENGE_LIFE } from "./lifetimes.ts"
import { TokenKey } from "./TokenKey.ts"

/** Unix milliseconds as 12 hexadecimal digits begin a challenge; 20 more are by chance. */
const TIME_DIGITS = 12
const FORM = /^[0-9a-f]{32}$/

/** By how much the clock of another server may be ahead, in milliseconds. */
const AHEAD = 5000

const newChallenge = (nowMillis: number): string =>
  nowMillis.toString(16).padStart(TIME_DIGITS, "0") + randomBytes(10).toString("hex")

/** What a proof is about: a waiting machine by its number, which is never given again, and its keys. */
type Prover = Pick<NodeRow, "id" | "ek_public" | "ak_public" | "ak_name">

/**
 * Challenges for machines that wait. Nothing of them is stored: the secret in the credential is derived from this
 * server's key, the challenge, the machine's number and keys, so any server can tell it again, and nobody else.
 */
export class Proofs extends Context.Service<Proofs, {
  /** A credential that only the TPM with these keys opens; none where no credential can be made for the key. */
  readonly ask: (
    node: Prover,
    endorsementKey: TpmtPublic,
    akName: Uint8Array
  ) => Effect.Effect<ProofChallenge | undefined>
  /** Why a proof does not hold, or undefined where it does. */
  readonly fault: (node: Prover, proof: ProofRequest) => Effect.Effect<string | undefined>
}>()("@patela/server/session/Proofs") {
  static readonly layer = Layer.effect(
    Proofs,
    Effect.gen(function*() {
      const { private: tokenKey } = yield* TokenKey
      const key = createHmac("sha256", Redacted.value(tokenKey)).update("patela proof key v1").digest()
      const secretOf = (challenge: string, node: Prover) =>
        createHmac("sha256", key).update(["patela proof v1", challenge, node.id, keysDigest(node)].join("\n")).digest()

      const ask = Effect.fn("Proofs.ask")(
        function*(node: Prover, endorsementKey: TpmtPublic, akName: Uint8Array) {
          const challenge = newChallenge(yield* Clock.currentTimeMillis)
          const credential = secretOf(challenge, node)
          const { blob, secret } = yield* makeCredential({ endorsementKey, akName, credential })
          return { challenge, blob: toHex(blob), secret: toHex(secret) }
        },
        Effect.catch(() => Effect.succeed(undefined))
      )

      const fault = Effect.fn("Proofs.fault")(function*(node: Prover, proof: ProofRequest) {
        const challenge = proof.challenge.toLowerCase()
        if (!FORM.test(challenge)) return "the challenge is none of this server's"
        const age = (yield* Clock.currentTimeMillis) - Number.parseInt(challenge.slice(0, TIME_DIGITS), 16)
        if (age >= CHALLENGE_LIFE || age < -AHEAD) return "the challenge is not of the last 60 seconds"
        const expected = createHmac("sha256", secretOf(challenge, node)).update(provedWith(challenge, node)).digest()
        return timingSafeEqual(expected, Buffer.from(proof.mac, "hex"))
          ? undefined
          : "the MAC is not what the TPM with these keys would have made of the challenge"
      })

      return Proofs.of({ ask, fault })
    })
  )
}
