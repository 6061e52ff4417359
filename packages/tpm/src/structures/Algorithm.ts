/** Algorithm identifiers, TPM_ALG_ID (TPM 2.0 part 2, 6.3; TCG Algorithm Registry, table 3). */
export const Algorithm = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  mgf1: 0x0007,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsaes: 0x0015,
  rsapss: 0x0016,
  oaep: 0x0017,
  ecdsa: 0x0018,
  ecdh: 0x0019,
  ecdaa: 0x001a,
  sm2: 0x001b,
  ecschnorr: 0x001c,
  ecmqv: 0x001d,
  kdf1Sp800_56a: 0x0020,
  kdf2: 0x0021,
  kdf1Sp800_108: 0x0022,
  ecc: 0x0023,
  cfb: 0x0043
} as const

/** Curves, TPM_ECC_CURVE (TPM 2.0 part 2, 6.4). */
export const EccCurve = { p256: 0x0003, p384: 0x0004 } as const

/** The two hash algorithms that name the keys of this package. */
export type NameAlgorithm = typeof Algorithm.sha256 | typeof Algorithm.sha384
