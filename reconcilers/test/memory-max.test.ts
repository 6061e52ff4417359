import { assert, describe, it } from "@effect/vitest"
import { queueMebibytes } from "@patela/domain/torrc/ManagedLines"
import { Schema } from "effect"
import { memoryMax } from "../src/drop-ins/memoryMax.ts"

const MIB = 2 ** 20
const Memory = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 256 * MIB, maximum: 2 ** 42 })))
const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 512 })))

describe("the memory of a relay", () => {
  it.prop("is clearly more than its queues may take", [Memory, Count], ([memoryBytes, relayCount]) => {
    const queue = queueMebibytes(memoryBytes, relayCount) * MIB
    assert.isAtLeast(memoryMax({ memoryBytes, relayCount, torrc: "" }) ?? 0, queue * 1.5 + 256 * MIB)
  })

  it.prop("is clearly more than a layer gives it for queues", [Count], ([megabytes]) => {
    const given = memoryMax({ memoryBytes: 2 ** 32, relayCount: 4, torrc: `MaxMemInQueues ${megabytes * 8} MB\n` })
    assert.isAtLeast(given ?? 0, megabytes * 8 * 1.5 * MIB + 256 * MIB)
  })

  it.prop("whatever a layer says, is some limit or none", [Schema.String, Schema.String], ([torrc, value]) => {
    for (const text of [torrc, `MaxMemInQueues ${value}\n`]) {
      const given = memoryMax({ memoryBytes: 2 ** 32, relayCount: 4, torrc: text })
      assert.isTrue(given === undefined || (Number.isSafeInteger(given) && given >= 640 * MIB))
    }
  })

  it("reads tor's units", () => {
    const of = (value: string) => memoryMax({ memoryBytes: 2 ** 30, relayCount: 1, torrc: `MaxMemInQueues ${value}\n` })
    const four = (4 * 1.5 + 0.25) * 2 ** 30
    for (const value of ["4 GB", "4GB", "4 gbytes", "4096 MBytes", "4294967296", "4294967296 bytes", "32 Gbits"]) {
      assert.strictEqual(of(value), four, value)
    }
    assert.isUndefined(of("0"), "tor chooses")
    assert.isUndefined(of("lots"))
    assert.isUndefined(of(`${"9".repeat(400)} TB`), "no number that systemd could read")
    const little = memoryMax({ memoryBytes: 2 ** 30, relayCount: 8, torrc: "MaxMemInQueues 1 MB\n" })
    assert.strictEqual(little, (256 * 1.5 + 256) * MIB, "tor takes no less than 256 MB")
  })

  it("leaves a limit of 1 GiB to each of eight relays on 8 GiB", () => {
    assert.strictEqual(memoryMax({ memoryBytes: 2 ** 33, relayCount: 8, torrc: "" }), 2 ** 30)
  })
})
