import { Algorithm } from "./Algorithm.ts"

/** A hash as node:crypto knows it. `size` is in bytes. */
export interface HashAlgorithm {
  readonly name: "sha1" | "sha256" | "sha384" | "sha512"
  readonly size: number
}

/** The hashes that banks of PCRs are made with (TCG PC Client Platform TPM Profile, "PCR Requirements"), by TPM_ALG_ID. */
const known = new Map<number, HashAlgorithm>([
  [Algorithm.sha1, { name: "sha1", size: 20 }],
  [Algorithm.sha256, { name: "sha256", size: 32 }],
  [Algorithm.sha384, { name: "sha384", size: 48 }],
  [Algorithm.sha512, { name: "sha512", size: 64 }]
])

/** The hash of a TPM_ALG_ID, none when it is no hash or one that node:crypto may lack. */
export const hashAlgorithmOf = (algorithm: number): HashAlgorithm | undefined => known.get(algorithm)

/** The name of a TPM_ALG_ID in texts for people: `sha256`, or its number. */
export const bankName = (algorithm: number): string => known.get(algorithm)?.name ?? `0x${algorithm.toString(16)}`
