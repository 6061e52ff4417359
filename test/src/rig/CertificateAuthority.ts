import { Effect } from "effect"
import { chmodSync, writeFileSync } from "node:fs"
import { runOk } from "./Command.ts"
import { TemporaryDirectory } from "./TemporaryDirectory.ts"

/** A certificate authority of the rig's own, with one server certificate. All paths name PEM files; keys are 0600. */
export interface CertificateAuthority {
  readonly caCertificate: string
  readonly serverCertificate: string
  readonly serverKey: string
}

export interface CertificateNames {
  readonly addresses: ReadonlyArray<string>
  readonly names?: ReadonlyArray<string>
}

const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"] as const

export const CertificateAuthority = {
  /** Made by openssl for one day; the server certificate holds the addresses and names as subjectAltName (RFC 5280, 4.2.1.6). */
  make: Effect.fnUntraced(function*({ addresses, names = [] }: CertificateNames) {
    const folder = yield* TemporaryDirectory.make("ca")
    const authority: CertificateAuthority = {
      caCertificate: `${folder}/ca.pem`,
      serverCertificate: `${folder}/server.pem`,
      serverKey: `${folder}/server.key`
    }
    const caKey = `${folder}/ca.key`
    const request = `${folder}/server.csr`
    const extensions = `${folder}/server.extensions`
    // Keys exist with their final mode before openssl fills them.
    yield* Effect.sync(() => {
      for (const key of [caKey, authority.serverKey]) writeFileSync(key, "", { mode: 0o600 })
      const san = [...addresses.map((address) => `IP:${address}`), ...names.map((name) => `DNS:${name}`)]
      writeFileSync(
        extensions,
        `subjectAltName=${san.join(",")}\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:false\n`
      )
    })
    yield* runOk([
      "openssl",
      "req",
      "-x509",
      ...curve,
      "-days",
      "1",
      "-subj",
      "/CN=Patela rig CA",
      "-addext",
      "basicConstraints=critical,CA:true",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
      "-keyout",
      caKey,
      "-out",
      authority.caCertificate
    ])
    yield* runOk([
      "openssl",
      "req",
      "-new",
      ...curve,
      "-subj",
      "/CN=Patela rig server",
      "-keyout",
      authority.serverKey,
      "-out",
      request
    ])
    yield* runOk([
      "openssl",
      "x509",
      "-req",
      "-in",
      request,
      "-CA",
      authority.caCertificate,
      "-CAkey",
      caKey,
      "-CAcreateserial",
      "-days",
      "1",
      "-extfile",
      extensions,
      "-out",
      authority.serverCertificate
    ])
    yield* Effect.sync(() => {
      for (const key of [caKey, authority.serverKey]) chmodSync(key, 0o600)
    })
    return authority
  })
}
