import { RelayName } from "@patela/domain/relay/RelayName"
import { cheeses } from "./cheeses.ts"
import { remembered } from "./remembered.ts"

/** Of tor's nickname: tor manual, `Nickname`. */
const LONGEST = 19

/** Every relay name, in the order in which they are given: the cheeses, then toma2, castelmagno2, ..., toma3, ... */
export const relayNames = remembered(allNames)

function* allNames(): Generator<RelayName> {
  yield* cheeses
  for (let number = 2; String(number).length < LONGEST - 1; number += 1) {
    for (const cheese of cheeses) {
      const name = `${cheese}${number}`
      if (name.length <= LONGEST) yield RelayName.make(name)
    }
  }
}
