import { BOOT_BANKS, type BootBank } from "@patela/domain/attestation/BootEvidence"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { hashAlgorithmOf } from "@patela/tpm/structures/HashAlgorithm"
import { toHex } from "@patela/tpm/structures/Hex"
import { Schema, SchemaTransformation } from "effect"
import { createHash } from "node:crypto"

const Digits = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/, { message: "expected 64 hexadecimal digits" }))
)

/**
 * SHA-256 over the values of the selected PCRs one after another, whatever their bank: the pcrDigest of a quote by a key
 * whose scheme has SHA-256, as the attestation key's has (TPM 2.0 part 1, 17.7). `tpm2_pcrread -o FILE
 * sha256:0,2,4,7,12,13,14` and `sha256sum FILE` give the same.
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

const digitsOf = (bank: BootBank): number => 2 * (hashAlgorithmOf(Algorithm[bank])?.size ?? 0)

const Value = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^(?:[0-9a-f]{64}|[0-9a-f]{96})$/, { message: "expected a value of SHA-256 or SHA-384" })
  )
)

/** What a node booted: the values of the selected PCRs, all of one bank, hex in lower case, numbers ascending. */
export const Boot = Schema.Array(Schema.Struct({ pcr: Schema.Int, value: Value }))
export type Boot = typeof Boot.Type

/** The bank of what a node booted, which the length of its values tells; none where there is no value, or of several. */
export const bankOf = (boot: Boot): BootBank | undefined =>
  boot.length === 0 ? undefined : BOOT_BANKS.find((bank) => boot.every(({ value }) => value.length === digitsOf(bank)))

export const bootDigestOf = (boot: Boot): BootDigest => {
  const hash = createHash("sha256")
  for (const { value } of boot) hash.update(Buffer.from(value, "hex"))
  return Schema.decodeSync(BootDigest)(hash.digest("hex"))
}

/** Of the values of a bank that a quote was verified with. */
export const bootOf = (bank: BootBank, values: PcrValues): Boot =>
  [...values.get(Algorithm[bank]) ?? []]
    .map(([pcr, value]) => ({ pcr, value: toHex(value) }))
    .sort((left, right) => left.pcr - right.pcr)
