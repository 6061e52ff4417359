import { assert, describe, it } from "@effect/vitest"
import { statusText } from "@patela/agent/present/StatusText"
import { plainStyle } from "@patela/agent/present/Style"
import { statusAfter } from "@patela/agent/status/AgentStatus"
import { relayScope } from "@patela/domain/reconciler/Resource"
import { RelayName } from "@patela/domain/relay/RelayName"
import { memoryInput } from "./MemoryKinds.ts"

const { config } = memoryInput([["toma", "a"], ["robiola", "a"]])
const noon = "2026-11-25T12:00:00.000Z"
const input = {
  config,
  situation: { troubles: [], rolledBack: undefined },
  takenBack: undefined,
  contended: [],
  changes: [],
  at: noon
}
const trouble = {
  kind: "units",
  address: "relay/toma/unit",
  scope: relayScope(RelayName.make("toma")),
  why: "the start ended with \"failed\""
} as const

describe("the status", () => {
  it("keeps the times of what did not change, so that nothing changed is nothing to write", () => {
    const first = statusAfter(undefined, { ...input, changes: ["created relay/toma/unit (config changed)"] })
    const later = statusAfter(first, { ...input, at: "2026-11-25T13:00:00.000Z" })
    assert.deepStrictEqual(later, first)
    const broken = statusAfter(later, {
      ...input,
      situation: { troubles: [trouble], rolledBack: undefined },
      at: "2026-11-25T14:00:00.000Z"
    })
    assert.strictEqual(broken.verdict, "partly")
    assert.deepStrictEqual(broken.relays.map(({ since }) => since.slice(11, 13)), ["14", "12"])
  })

  it("tells a person what is wrong and since when", () => {
    const status = statusAfter(undefined, {
      ...input,
      situation: { troubles: [trouble], rolledBack: undefined },
      contended: ["relay/robiola/address-v4"],
      changes: ["updated relay/robiola/address-v4 (drift)"]
    })
    const units = [
      { relay: "toma", active: "failed", sub: "failed", ready: false, missing: ["its unit is not active"] },
      { relay: "robiola", active: "active", sub: "running", ready: true, missing: [] }
    ]
    assert.strictEqual(
      statusText(status, units, Date.parse(noon) + 5 * 60_000, plainStyle),
      `partly for 5 min, configuration generation 1

RELAY    UNIT              STATE          FOR    READY
toma     failed (failed)   in trouble     5 min  no: its unit is not active
robiola  active (running)  as configured  5 min  yes

In trouble
  relay/toma/unit: the start ended with "failed"

Contended: something keeps changing
  relay/robiola/address-v4

Last change, 5 min ago
  updated relay/robiola/address-v4 (drift)`
    )
  })
})
