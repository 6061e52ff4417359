import { Effect } from "effect"
import { certificateIndexes, FIRST_CERTIFICATE_INDEX } from "../identity/chooseEndorsementKey.ts"
import type { Line } from "./Exchange.ts"
import { nvPublicOn } from "./nvPublicOn.ts"
import { allHandles } from "./roomInTpm.ts"

/** The NV indexes of certificates of endorsement keys that hold something. None of it is read, so no session is needed. */
export const writtenCertificates = Effect.fnUntraced(function*(line: Line) {
  const wanted = new Set(Object.values(certificateIndexes))
  const there = (yield* allHandles(line, FIRST_CERTIFICATE_INDEX)).filter((index) => wanted.has(index))
  const found = yield* Effect.forEach(there, (index) => nvPublicOn(line, index))
  return found.flat().filter(({ written }) => written).map(({ index }) => index)
})
