import { createHash } from "node:crypto"
import { Algorithm, type NameAlgorithm } from "./Algorithm.ts"
import { ByteWriter } from "./ByteWriter.ts"
import { toHex } from "./Hex.ts"
import { encodeTpmtPublic, type TpmtPublic } from "./TpmtPublic.ts"

/** What node:crypto calls the hash. */
export const hashNameOf = (algorithm: NameAlgorithm): "sha256" | "sha384" =>
  algorithm === Algorithm.sha256 ? "sha256" : "sha384"

/** The Name of an object: nameAlg || H(TPMT_PUBLIC), 34 bytes with SHA-256 (TPM 2.0 part 1, 16; part 2, 10.5.3). */
export const nameOf = (area: TpmtPublic): Uint8Array =>
  new ByteWriter()
    .u16(area.nameAlgorithm)
    .bytes(createHash(hashNameOf(area.nameAlgorithm)).update(encodeTpmtPublic(area)).digest())
    .done()

/** The Name in lower-case hexadecimal digits, as `ak_name` travels. */
export const nameHexOf = (area: TpmtPublic): string => toHex(nameOf(area))
