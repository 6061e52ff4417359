import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { toHex } from "@patela/tpm/structures/Hex"
import { Schema, SchemaTransformation } from "effect"
import { createHash } from "node:crypto"

const Digits = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/, { message: "expected 64 hexadecimal digits" }))
)

/**
 * SHA-256 over the values of the selected PCRs one after another: the pcrDigest of a quote by a key whose scheme has
 * SHA-256 (TPM 2.0 part 1, 17.7). `tpm2_pcrread -o FILE sha256:0,2,4,7,12,13,14` and `sha256sum FILE` give the same.
 */
export const BootDigest = Schema.String.pipe(
  Schema.decodeTo(
    Digits.pipe(Schema.brand("BootDigest")),
    SchemaTransformation.transform({
      decode: (text) => text.trim().toLowerCase().replace(/^sha256:/, ""),
      encode: (digest) => digest
    })
  )
)
export type BootDigest = typeof BootDigest.Type

/** What a node booted: the values of the selected PCRs, SHA-256, hex in lower case, numbers ascending. */
export const Boot = Schema.Array(Schema.Struct({ pcr: Schema.Int, value: Digits }))
export type Boot = typeof Boot.Type

export const bootDigestOf = (boot: Boot): BootDigest => {
  const hash = createHash("sha256")
  for (const { value } of boot) hash.update(Buffer.from(value, "hex"))
  return Schema.decodeSync(BootDigest)(hash.digest("hex"))
}

/** Of the values that a quote was verified with. */
export const bootOf = (values: PcrValues): Boot =>
  [...values.get(Algorithm.sha256) ?? []]
    .map(([pcr, value]) => ({ pcr, value: toHex(value) }))
    .sort((left, right) => left.pcr - right.pcr)
