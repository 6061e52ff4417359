import { Result } from "effect"
import { readWhole } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import type { Credential } from "./makeCredential.ts"

const MAGIC = 0xbadc_c0de
const VERSION = 1
/** Above a TPM2B_ID_OBJECT with SHA-512 and an encrypted secret of RSA-4096, in bytes. */
const MAX_PART = 1024

/**
 * The file that `tpm2_activatecredential -i` reads: 0xBADCC0DE, version 1 (32 bits each), TPM2B_ID_OBJECT,
 * TPM2B_ENCRYPTED_SECRET (tpm2-tools 5.4, tpm2_makecredential).
 */
export const encodeCredentialFile = ({ blob, secret }: Credential): Uint8Array =>
  new ByteWriter().u32(MAGIC).u32(VERSION).bytes(blob).bytes(secret).done()

/** Reads such a file, so that a credential made by other tools can be looked at. */
export const decodeCredentialFile = (bytes: Uint8Array): Result.Result<Credential, MalformedStructure> =>
  readWhole(bytes, "credential file", (reader) => {
    const magic = reader.u32("magic")
    if (magic !== MAGIC) return reader.fail("magic", `is 0x${magic.toString(16)}, expected 0xbadcc0de`)
    const version = reader.u32("version")
    if (version !== VERSION) return reader.fail("version", `is ${version}, expected ${VERSION}`)
    const blob = new ByteWriter().sized(reader.sized("TPM2B_ID_OBJECT", MAX_PART)).done()
    return { blob, secret: new ByteWriter().sized(reader.sized("TPM2B_ENCRYPTED_SECRET", MAX_PART)).done() }
  })

/** Checks the form of a credential from the network: both parts must be exactly as long as they say. */
export const decodeCredential = (credential: Credential): Result.Result<Credential, MalformedStructure> =>
  Result.gen(function*() {
    const blob = yield* readWhole(credential.blob, "TPM2B_ID_OBJECT", (reader) => reader.sized("buffer", MAX_PART))
    const secret = yield* readWhole(
      credential.secret,
      "TPM2B_ENCRYPTED_SECRET",
      (reader) => reader.sized("buffer", MAX_PART)
    )
    return { blob: new ByteWriter().sized(blob).done(), secret: new ByteWriter().sized(secret).done() }
  })
