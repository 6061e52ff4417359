import type { Result } from "effect"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import { readWholeDer, Tag } from "./DerReader.ts"

/**
 * The certificates in the content of an NV index: DER, one after another where there are several, and after them only
 * bytes that are all 0x00 or all 0xFF, with which vendors fill an index that is longer (TCG EK Credential Profile,
 * "NV Storage": 0x01C00002 and so on for endorsement keys, from 0x01C00100 for their chain). Nothing in them is looked at.
 */
export const certificatesInNv = (
  content: Uint8Array
): Result.Result<ReadonlyArray<Uint8Array>, MalformedStructure> =>
  readWholeDer(content, "NV index", (reader) => {
    const found: Array<Uint8Array> = []
    while (reader.next === Tag.sequence) found.push(reader.any(`certificates.${found.length}`).whole.slice())
    reader.padding("padding")
    return found
  })
