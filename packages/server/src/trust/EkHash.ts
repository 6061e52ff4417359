import { Schema, SchemaTransformation } from "effect"
import { createHash } from "node:crypto"

const Digits = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[0-9a-f]{64}$/, {
      message:
        "expected the SHA-256 of an endorsement key, 64 hexadecimal digits, as `patela-agent tpm status` shows it"
    })
  ),
  Schema.brand("EkHash")
)

/**
 * SHA-256 over the endorsement key's TPM2B_PUBLIC (TPM 2.0 part 2, 12.2.5), 64 hexadecimal digits: what
 * `patela-agent tpm status` shows on the machine. People may write it in upper case, and `sha256:` before it.
 */
export const EkHash = Schema.String.pipe(
  Schema.decodeTo(
    Digits,
    SchemaTransformation.transform({
      decode: (text) => text.trim().toLowerCase().replace(/^sha256:/, ""),
      encode: (hash) => hash
    })
  )
)
export type EkHash = typeof EkHash.Type

/** Of an endorsement key as hex. */
export const ekHashOf = (ekPublic: string): EkHash =>
  Digits.make(createHash("sha256").update(Buffer.from(ekPublic, "hex")).digest("hex"))
