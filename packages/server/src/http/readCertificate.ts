import { Effect, FileSystem, Redacted, Schema } from "effect"

/** The certificate or its key cannot be used. */
export class CertificateRefused extends Schema.TaggedError<CertificateRefused>()("CertificateRefused", {
  message: Schema.String
}) {}

/** A certificate chain and its private key, PEM. */
export interface Certificate {
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
}

/** Reads the server's certificate chain and private key, PEM, from their files. */
export const readCertificate = Effect.fn("readCertificate")(function*(certPath: string, keyPath: string) {
  const fs = yield* FileSystem.FileSystem
  const read = (what: string, path: string) =>
    fs.readFileString(path).pipe(
      Effect.mapError(({ reason }) =>
        new CertificateRefused({ message: `The ${what} ${path} cannot be read: ${reason._tag}` })
      )
    )
  const certificate = yield* read("certificate", certPath)
  const key = Redacted.make(yield* read("certificate's key", keyPath), { label: "certificate key" })
  const found: Certificate = { certificate, key }
  return found
})
