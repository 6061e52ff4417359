import { assert, describe, it } from "@effect/vitest"
import { judged } from "@patela/agent/readiness/RelayReadiness"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ed25519Fingerprint, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { infoOf, readReply } from "@patela/reconcilers/host/ControlReply"
import { Effect, Result, Schema } from "effect"

/** As tor 0.4.9.11 wrote it. */
const WRITTEN = "250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"\r\n" +
  "250-status/reachability-succeeded/or=1\r\n" +
  "250-fingerprint=4F1B62E5B1F3C6D0A9E8D7C6B5A4938271605F4E\r\n" +
  "250 OK\r\n"
const RSA = RsaFingerprint.make("4F1B62E5B1F3C6D0A9E8D7C6B5A4938271605F4E")
const expected = {
  name: RelayName.make("toma"),
  ip_v4: Ipv4.make("198.51.100.10"),
  fingerprint: { rsa: RSA, ed25519: Ed25519Fingerprint.make("A".repeat(43)) }
}

const linesOf = (text: string): ReadonlyArray<string> => {
  const reply = Result.getOrThrow(readReply(text))
  return reply.whole ? reply.lines : []
}

describe("a reply of tor's", () => {
  it("is read once it is whole, wherever it was cut on its way", () => {
    for (let cut = 0; cut < WRITTEN.length; cut++) {
      assert.deepStrictEqual(readReply(WRITTEN.slice(0, cut)), Result.succeed({ whole: false } as const))
    }
    const reply = Result.getOrThrow(readReply(`${WRITTEN}250 more\r\n`))
    assert.strictEqual(reply.whole ? reply.length : -1, WRITTEN.length)
  })

  it.effect.prop(
    "that is damaged is refused or read as another, and never throws",
    [Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: WRITTEN.length - 1 }))), Schema.String],
    ([at, text]) =>
      Effect.sync(() => {
        const result = readReply(WRITTEN.slice(0, at) + text + WRITTEN.slice(at + 1))
        if (Result.isFailure(result)) assert.isBelow(result.failure.message.length, 260)
      })
  )

  it("of an error is the error", () => {
    const reply = readReply("515 Authentication failed: Wrong length on authentication cookie.\r\n")
    assert.match(Result.isFailure(reply) ? reply.failure.message : "", /515 Authentication failed/)
  })
})

describe("readiness", () => {
  it("is bootstrapped, reachable, and the relay that it should be at the address that it should have", () => {
    assert.deepStrictEqual(judged(expected, infoOf(linesOf(WRITTEN)), "198.51.100.10"), {
      ready: true,
      bootstrapped: 100,
      missing: []
    })
  })

  it("says each thing that is missing", () => {
    const info = new Map([
      ["status/bootstrap-phase", "NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting to a relay\""],
      ["status/reachability-succeeded/or", "0"],
      ["fingerprint", "0".repeat(40)]
    ])
    assert.deepStrictEqual(judged(expected, info, undefined).missing, [
      "bootstrapped to 5 %",
      "its ORPort is not known to be reachable yet",
      `its fingerprint is ${"0".repeat(40)} and not ${RSA}`,
      "it takes nothing for its address and not 198.51.100.10"
    ])
    assert.deepStrictEqual(
      judged({ ...expected, fingerprint: null }, infoOf(linesOf(WRITTEN)), "198.51.100.10").missing,
      []
    )
  })
})
