import { certificateIndexes } from "@patela/tpm/identity/chooseEndorsementKey"
import { endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Effect, Result } from "effect"

/** Where the certificates between that of an endorsement key and the vendor's root are, one after another (TCG EK Credential Profile 2.5, 2.2.1.5.1). */
const CHAIN_FIRST = 0x01c0_0100
const CHAIN_LAST = 0x01c0_01ff

/** What the server takes: certificates, and bytes of one. */
const MOST = 5
const LONGEST = 4096

const SEQUENCE = 0x30

/**
 * The DER structures one after another in what an NV index holds; what follows the last, such as an index that is larger
 * than its certificate, is left out. Each begins as a SEQUENCE does (X.690, 8.1.3). Pure.
 */
export const certificatesIn = (content: Uint8Array): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  let at = 0
  while (content[at] === SEQUENCE) {
    const first = content[at + 1] ?? 0
    const digits = first < 0x80 ? 0 : first - 0x80
    if (digits > 3) break
    const length = digits === 0
      ? first
      : content.subarray(at + 2, at + 2 + digits).reduce((value, byte) => value * 256 + byte, 0)
    const end = at + 2 + digits + length
    if (length === 0 || end > content.length) break
    found.push(content.subarray(at, end))
    at = end
  }
  return found
}

/** The certificate of this TPM's endorsement key, then its issuers', DER; none where the TPM has no such certificate. */
export const endorsementCertificates = Effect.fn("endorsementCertificates")(
  function*(ekPublic: string) {
    const tpm = yield* Tpm
    const key = endorsementKeyFromHex(ekPublic)
    if (Result.isFailure(key)) return []
    const indexes = (yield* tpm.nvPublics).filter(({ written }) => written).map(({ index }) => index)
    const own = certificateIndexes[key.success.kind]
    if (!indexes.includes(own)) return []
    const chain = indexes.filter((index) => index >= CHAIN_FIRST && index <= CHAIN_LAST).toSorted((a, b) => a - b)
    const [certificate] = certificatesIn(yield* tpm.nvRead(own, 0))
    if (certificate === undefined || certificate.length > LONGEST) return []
    // A certificate may go over the end of an index into the next.
    const parts = yield* Effect.forEach(chain, (index) => tpm.nvRead(index, 0))
    const issuers = certificatesIn(Buffer.concat(parts)).filter(({ length }) => length <= LONGEST)
    return [certificate, ...issuers].slice(0, MOST)
  },
  // Without them the server trusts this machine less, which it says; the machine may well be let in.
  Effect.catch(({ message }) =>
    Effect.as(Effect.logWarning(`the certificate of the endorsement key is not sent: ${message}`), [])
  )
)
