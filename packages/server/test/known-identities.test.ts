import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { checkIdentity } from "../src/nodes/checkIdentity.ts"
import { knownIdentities } from "../src/nodes/knownIdentities.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"

const machines = Array.from({ length: 3 }, () => softwareTpm().request)

/** Who asks, with whose AK and Name, in which case, and one digit that is another. */
const Asked = Schema.Struct({
  ek: Schema.Literals([0, 1, 2]),
  ak: Schema.Literals([0, 1, 2]),
  name: Schema.Literals([0, 1, 2]),
  upper: Schema.Boolean,
  damage: Schema.Literals(["none", "ek_public", "ak_public", "ak_name"]),
  at: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 60 })))
})

const requestOf = ({ ak, at, damage, ek, name, upper }: typeof Asked.Type) => {
  const cased = (text = "") => upper ? text.toUpperCase() : text
  const damaged = (text: string) => `${text.slice(0, at)}${text[at] === "0" ? "1" : "0"}${text.slice(at + 1)}`
  const whole = {
    ek_public: cased(machines[ek]?.ek_public),
    ak_public: cased(machines[ak]?.ak_public),
    ak_name: cased(machines[name]?.ak_name)
  }
  return damage === "none" ? whole : { ...whole, [damage]: damaged(whole[damage]) }
}

describe("identities that are known", () => {
  const known = knownIdentities()

  it.prop("are as a check says, the first time and each time after", [Asked], ([asked]) => {
    const request = requestOf(asked)
    const checked = checkIdentity(request)
    for (const found of [known(request), known(request)]) {
      assert.deepStrictEqual(
        Result.isSuccess(found) ? found.success : found.failure,
        Result.isSuccess(checked) ? checked.success : checked.failure
      )
    }
  })

  it("are not checked again, and what is refused is not kept", () => {
    const [request] = machines
    if (request === undefined) return assert.fail("no machine")
    assert.strictEqual(known(request), known(request))
    const forged = { ...request, ak_name: `000b${"00".repeat(32)}` }
    assert.notStrictEqual(known(forged), known(forged))
  })
})
