import type { Left } from "../../src/allocate/Left.ts"
import { relayNames } from "../../src/allocate/relayNames.ts"

/** All of it, whoever has it. */
export const everythingLeft: Left = {
  names: relayNames,
  v4: (pool) => pool.addresses(),
  v6: (pool) => pool.addresses()
}
