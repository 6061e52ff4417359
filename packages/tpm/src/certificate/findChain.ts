import { Result } from "effect"
import type { CertificateRefused } from "./CertificateRefused.ts"
import { checkAuthority, type Named, refused } from "./checkCertificate.ts"

/** Most issuers that are tried: names and keys of the certificates that a node sends are of its own choosing. */
const MAX_TRIES = 64

/** Whether the key of `issuer` made the signature of `subject`. node:crypto throws where the kinds do not fit. */
const signed = (subject: Named, issuer: Named): boolean => {
  try {
    return subject.certificate.x509.verify(issuer.certificate.x509.publicKey)
  } catch {
    return false
  }
}

const isSelfIssued = ({ certificate: { subject, issuer } }: Named): boolean => subject === issuer

/**
 * The way from a certificate to one of the roots, the root last, every one checked as an authority. Where there are
 * several ways, one that holds is enough; where none does, the error is that of the way that came furthest.
 */
export const findChain = (input: {
  readonly leaf: Named
  readonly intermediates: ReadonlyArray<Named>
  readonly roots: ReadonlyArray<Named>
  /** Unix milliseconds. */
  readonly now: number
}): Result.Result<ReadonlyArray<Named>, CertificateRefused> => {
  const { leaf, now } = input
  const issuers = [
    ...input.roots.map((root) => ({ ...root, isRoot: true })),
    ...input.intermediates.map((intermediate) => ({ ...intermediate, isRoot: false }))
  ]
  let tries = 0
  let worst = { depth: -1, result: refused(leaf, "no-issuer", "has no issuer among the roots and intermediates.") }
  const failed = (depth: number, result: Result.Result<never, CertificateRefused>): void => {
    if (depth > worst.depth) worst = { depth, result }
  }

  const from = (subject: Named, above: ReadonlyArray<Named>): ReadonlyArray<Named> | undefined => {
    const depth = above.length
    // CAs between the next issuer and the leaf; one that only changed its own key does not count (RFC 5280, 6.1.4 l).
    const below = above.filter((authority) => !isSelfIssued(authority)).length
    for (const issuer of issuers) {
      if (issuer.certificate.subject !== subject.certificate.issuer || above.includes(issuer)) continue
      tries += 1
      if (tries > MAX_TRIES) {
        failed(Number.MAX_SAFE_INTEGER, refused(leaf, "too-many", `has more than ${MAX_TRIES} possible issuers.`))
        return undefined
      }
      if (!signed(subject, issuer)) {
        failed(depth * 2, refused(subject, "signature", `is not signed by the ${issuer.name}, whose name it gives.`))
        continue
      }
      const checked = checkAuthority(issuer, now, below)
      if (Result.isFailure(checked)) {
        failed(depth * 2 + 1, Result.fail(checked.failure))
        continue
      }
      if (issuer.isRoot) return [...above, issuer]
      failed(depth * 2 + 1, refused(issuer, "no-issuer", "has no issuer among the roots and intermediates."))
      const found = from(issuer, [...above, issuer])
      if (found !== undefined) return found
    }
    return undefined
  }

  const chain = from(leaf, [])
  if (chain !== undefined) return Result.succeed(chain)
  return isSelfIssued(leaf) && signed(leaf, leaf)
    ? refused(leaf, "self-signed", "is signed by its own key, and no root vouches for it.")
    : worst.result
}
