import { type ProofChallenge, provedWith } from "@patela/domain/api/Proof"
import { sealedWith } from "@patela/domain/api/PublicApi"
import type { BootEvidence } from "@patela/domain/attestation/BootEvidence"
import { kdfA, kdfE } from "@patela/tpm/credential/kdf"
import { bootEvidenceToWire } from "@patela/tpm/evidence/bootEvidenceWire"
import { quoteNonce } from "@patela/tpm/evidence/quoteNonce"
import type { PcrSelection } from "@patela/tpm/quote/PcrSelection"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm, EccCurve } from "@patela/tpm/structures/Algorithm"
import { nameOf } from "@patela/tpm/structures/Name"
import { type EccPublic, encodePublicHex } from "@patela/tpm/structures/TpmtPublic"
import { createDecipheriv, createECDH, createHmac, timingSafeEqual } from "node:crypto"
import { softwareTpm as softwareAttestationKey } from "../../../tpm/test/SoftwareTpm.ts"

const POLICY_A = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
const none = { algorithm: Algorithm.null } as const

/** What is read of an answer to POST /public/auth. */
export interface SealedAnswer {
  readonly challenge: string
  readonly blob: string
  readonly secret: string
  readonly token: string
  readonly expires_at: number
}

export interface EvidenceChange {
  readonly eventLog?: Uint8Array
  /** What the quote is over, where it is not all the values. */
  readonly selection?: PcrSelection
}

/** The public areas of a P-256 EK and AK whose private keys are here and not in a TPM: both pass the templates. */
export const softwareTpm = () => {
  const ek = createECDH("prime256v1")
  const ekPoint = ek.generateKeys()
  const { key: akPublic, quote } = softwareAttestationKey()
  const point = (bytes: Buffer) => ({
    x: new Uint8Array(bytes.subarray(1, 33)),
    y: new Uint8Array(bytes.subarray(33))
  })
  const ekPublic: EccPublic = {
    type: Algorithm.ecc,
    nameAlgorithm: Algorithm.sha256,
    attributes: 0x0003_00b2,
    authPolicy: new Uint8Array(Buffer.from(POLICY_A, "hex")),
    symmetric: { algorithm: Algorithm.aes, keyBits: 128, mode: Algorithm.cfb },
    scheme: none,
    curve: EccCurve.p256,
    kdf: none,
    ...point(ekPoint)
  }
  const akName = nameOf(akPublic)
  const request = {
    ek_public: encodePublicHex(ekPublic),
    ak_public: encodePublicHex(akPublic),
    ak_name: Buffer.from(akName).toString("hex")
  }

  /** TPM2_ActivateCredential, the inverse of TPM2_MakeCredential (TPM 2.0 part 1, 24; part 3, 12.5). */
  const activate = (blobHex: string, secretHex: string): Buffer => {
    const empty = new Uint8Array()
    const secret = Buffer.from(secretHex, "hex")
    const x = secret.subarray(4, 36)
    const y = secret.subarray(38, 70)
    const z = ek.computeSecret(Buffer.concat([Buffer.from([4]), x, y]))
    const seed = kdfE("sha256", z, "IDENTITY", x, ekPublic.x, 256)
    const blob = Buffer.from(blobHex, "hex")
    const integrity = blob.subarray(4, 36)
    const identity = blob.subarray(36)
    const hmacKey = kdfA("sha256", seed, "INTEGRITY", empty, empty, 256)
    const expected = createHmac("sha256", hmacKey).update(identity).update(akName).digest()
    if (!timingSafeEqual(expected, integrity)) throw new Error("the credential is not for this TPM")
    const key = kdfA("sha256", seed, "STORAGE", akName, empty, 128)
    const decipher = createDecipheriv("aes-128-cfb", key, new Uint8Array(16))
    return Buffer.concat([decipher.update(identity), decipher.final()]).subarray(2)
  }

  /** The token that an answer carries; throws where anything of the answer was altered. */
  const open = (answer: SealedAnswer): string => {
    const sealed = Buffer.from(answer.token, "hex")
    const decipher = createDecipheriv("aes-256-gcm", activate(answer.blob, answer.secret), sealed.subarray(0, 12))
    decipher.setAAD(Buffer.from(sealedWith(answer, request)))
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString("utf8")
  }

  /** The body of POST /public/proof that answers a challenge; throws where it is not for this TPM. */
  const prove = ({ challenge, blob, secret }: ProofChallenge) => ({
    ...request,
    challenge,
    mac: createHmac("sha256", activate(blob, secret)).update(provedWith(challenge, request)).digest("hex")
  })

  /** POST /private/evidence for the session of a challenge, of these values of PCRs in this bank. */
  const evidence = (challenge: string, values: PcrValues, change: EvidenceChange = {}): BootEvidence => {
    const selection = change.selection ??
      [...values].map(([hash, pcrs]) => ({ hash, pcrs: [...pcrs.keys()].sort((left, right) => left - right) }))
    const { eventLog } = change
    const nonce = quoteNonce(new Uint8Array(Buffer.from(challenge, "hex")), eventLog)
    return bootEvidenceToWire({ ...quote({ nonce, selection, pcrValues: values }), pcrValues: values, eventLog })
  }

  return { ekPublic, akPublic, request, activate, open, prove, quote, evidence }
}
export type SoftwareTpm = ReturnType<typeof softwareTpm>
