import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { toHex } from "../../src/structures/Hex.ts"
import { directNvRead } from "../../src/transport/directNvRead.ts"
import { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { Tpm2Tools } from "../../src/transport/Tpm2Tools.ts"
import { characterDevice } from "./CharacterDevice.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

const INDEX = 0x0180_0999

describe("a short read of NV memory without tpm2-tools", () => {
  it.live.each(["socket", "device"] as const)(
    "by a %s reads what tpm2-tools wrote, and tells absent from unwritten",
    (by) =>
      Effect.gen(function*() {
        const { tcti } = yield* swtpm(yield* newTpmState)
        const data = new Uint8Array(randomBytes(600))
        yield* Effect.gen(function*() {
          const tpm = yield* Tpm
          yield* tpm.nvDefine(INDEX, 600)
          yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
          yield* tpm.nvDefine(INDEX + 1, 600)
        }).pipe(Effect.provide(Tpm2Tools.layer({ tcti })))
        const read = directNvRead(by === "socket" ? tcti : yield* characterDevice(tcti))
        for (const [offset, size] of [[0, 52], [88, 512], [599, 1]] as const) {
          const found = Option.getOrThrow(yield* read(INDEX, offset, size))
          if (typeof found === "string") return assert.fail(found)
          assert.strictEqual(toHex(found), toHex(data.subarray(offset, offset + size)))
        }
        assert.deepStrictEqual(yield* read(INDEX + 1, 0, 52), Option.some("unwritten"))
        assert.deepStrictEqual(yield* read(INDEX + 2, 0, 52), Option.some("absent"))
        // What it does not understand or may not do at once is left to tpm2-tools.
        assert.deepStrictEqual(yield* read(INDEX, 590, 52), Option.none())
        assert.deepStrictEqual(yield* read(INDEX, 0, 513), Option.none())
        assert.isTrue(Option.isSome(yield* read(INDEX, 0, 52)))
      }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("is not done where nothing answers, and then tpm2-tools say why", () =>
    Effect.gen(function*() {
      for (const tcti of ["device:/nonexistent/tpm", "swtpm:path=/nonexistent/socket"].map((it) => Tcti.make(it))) {
        assert.deepStrictEqual(yield* directNvRead(tcti)(INDEX, 0, 52), Option.none())
        const error = yield* Effect.flatMap(Tpm, (tpm) => Effect.flip(tpm.nvRead(INDEX, 0, 52))).pipe(
          Effect.provide(Tpm2Tools.layer({ tcti }))
        )
        assert.strictEqual(error._tag, "TpmAbsent")
      }
      for (const tcti of ["tabrmd:bus_type=system", "mssim:host=localhost"].map((it) => Tcti.make(it))) {
        assert.deepStrictEqual(yield* directNvRead(tcti)(INDEX, 0, 52), Option.none())
      }
      // A device that answers everything with its end, and one that is a file.
      assert.deepStrictEqual(yield* directNvRead(Tcti.make("device:/dev/null"))(INDEX, 0, 52), Option.none())
    }).pipe(Effect.provide(NodeServices.layer)))
})
