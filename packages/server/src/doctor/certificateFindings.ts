import { Redacted } from "effect"
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { isIP } from "node:net"
import { type Finding, fine, warning, wrong } from "./Finding.ts"

const CHECK = "certificate"
const DAY = 86_400_000

/** A person needs some time to have a certificate renewed, in days. */
const SOON = 30

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

const subjectOf = ({ subject }: X509Certificate): string => subject.replaceAll("\n", ", ")

const dateOf = (date: Date): string => date.toISOString().slice(0, 10)

const timeFinding = (one: X509Certificate, now: number): Finding => {
  const name = `the certificate of ${subjectOf(one)}`
  const [from, to] = [one.validFromDate, one.validToDate]
  if (from.getTime() > now) {
    return wrong(CHECK, `${name} holds from ${dateOf(from)} on, which is yet to come`, "Set this machine's clock right")
  }
  const left = Math.floor((to.getTime() - now) / DAY)
  if (to.getTime() <= now) {
    return wrong(
      CHECK,
      `${name} ended on ${dateOf(to)}: no node talks to this server`,
      "Renew it and restart the server"
    )
  }
  return left < SOON
    ? warning(CHECK, `${name} ends in ${left} days, on ${dateOf(to)}`, "Renew it and restart the server")
    : fine(CHECK, `${name} holds until ${dateOf(to)}`)
}

const holdsName = (leaf: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) !== undefined

const nameFinding = (leaf: X509Certificate, name: string | undefined): Finding => {
  const names = leaf.subjectAltName
  const advice = "Have one made whose subjectAltName is the host of PATELA_SERVER on the nodes"
  // Names count only there (RFC 9525, section 2): the common name says nothing.
  if (names === undefined) return wrong(CHECK, "it is for no name: it has no subjectAltName", advice)
  if (name !== undefined && !holdsName(leaf, name)) {
    return wrong(CHECK, `it is not for ${name} but for ${names}`, advice)
  }
  return fine(CHECK, `it is for ${names}`)
}

const keyFinding = (leaf: X509Certificate, key: KeyObject | undefined): Finding => {
  if (key === undefined) {
    return wrong(
      CHECK,
      "its key cannot be read: it is no private key in PEM, or has a passphrase",
      "Give the key that was made with the certificate, as PEM without a passphrase"
    )
  }
  return leaf.checkPrivateKey(key)
    ? fine(CHECK, "its key belongs to it")
    : wrong(CHECK, "its key belongs to another certificate", "Give the key that was made with the certificate")
}

/** How the server's certificate chain and its key stand: both PEM, the server's own first; `now` in Unix milliseconds. */
export const certificateFindings = (input: {
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
  readonly now: number
  /** What nodes reach the server by, where it is known. */
  readonly name: string | undefined
}): ReadonlyArray<Finding> => {
  const written = input.certificate.match(PEM) ?? []
  const chain = written.map((one) => attempt(() => new X509Certificate(one)))
  const [leaf] = chain
  if (leaf === undefined || chain.includes(undefined)) {
    return [wrong(CHECK, "it is no certificate in PEM", "Give the server's certificate, then those that vouch for it")]
  }
  const key = attempt(() => createPrivateKey(Redacted.value(input.key)))
  const times = chain.flatMap((one) => one === undefined ? [] : [timeFinding(one, input.now)])
  return [keyFinding(leaf, key), nameFinding(leaf, input.name), ...times]
}
