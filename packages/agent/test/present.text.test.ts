import { assert, describe, it } from "@effect/vitest"
import { blockedBy } from "@patela/agent/converge/Plan"
import { withoutOwn } from "@patela/agent/present/OwnValues"
import { planText } from "@patela/agent/present/PlanText"
import { causesOf, inOrder, type PlanView, totalsOf } from "@patela/agent/present/PlanView"
import { printable, printableJson } from "@patela/agent/present/printable"
import { colourStyle, plainStyle } from "@patela/agent/present/Style"
import { Action, type ChangeView, Reason } from "@patela/domain/reconciler/Change"
import { relayScope, type Scope } from "@patela/domain/reconciler/Resource"
import { RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Schema } from "effect"
import { configOf, PRESENT_CASES, viewOf } from "./PresentCases.ts"
import { bareHost, hostOf } from "./PresentHost.ts"

const config = configOf({ count: 4 })
const KINDS = ["accounts", "torrc", "units"] as const
const NAMES = ["gone", ...config.relays.map(({ name }) => name), "node"]

/** Changes of a few relays, one of which is not configured, with any text in their lines. */
const Changes = Schema.Array(Schema.Struct({
  place: Schema.Literals(NAMES),
  kind: Schema.Literals(KINDS),
  action: Action,
  reason: Reason,
  fails: Schema.Boolean,
  lines: Schema.Array(Schema.String)
}))

const scopeAt = (place: string): Scope => place === "node" ? "node" : relayScope(RelayName.make(place))

/** A plan as the engine makes it: changes in the order of kinds, each needing the kind before; some cannot be had. */
const planOf = (drawn: typeof Changes.Type): PlanView => {
  const once = new Map(drawn.map((each) => [`${each.place} ${each.kind}`, each]))
  const ordered = KINDS.flatMap((kind) => [...once.values()].filter((each) => each.kind === kind))
  const addressOf = (place: string, kind: string) => `${scopeAt(place)}/${kind}`
  const changes = ordered.filter(({ fails }) => !fails).map(({ action, kind, lines, place, reason }): ChangeView => ({
    kind,
    address: addressOf(place, kind),
    scope: scopeAt(place),
    action,
    reason,
    lines,
    needs: KINDS.slice(0, KINDS.indexOf(kind)).map((before) => addressOf(place, before))
  }))
  const failures = ordered.filter(({ fails }) => fails).map(({ kind, lines, place }) => ({
    kind,
    address: addressOf(place, kind),
    scope: scopeAt(place),
    message: lines.join(" ")
  }))
  return {
    config,
    source: { from: "server", url: "https://192.0.2.1:8020" },
    outlooks: [],
    resources: [...changes, ...failures].map(({ address, scope }) => ({ address, scope })),
    changes,
    failures,
    blocked: blockedBy(changes, failures)
  }
}

const headingsOf = (text: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line) => /^(?:node|relay\/\S+)(?=  |$)/.exec(line)?.[0] ?? [])

describe("the text of a plan", () => {
  it.prop(
    "says every change under its own heading, in the order in which they would be made",
    [Changes],
    ([drawn]) => {
      const plan = planOf(drawn)
      const said = planText(plan, { style: plainStyle, full: true }).split("\n\n").flatMap((paragraph) => {
        const scope = headingsOf(paragraph)[0]
        return scope === undefined ? [] : paragraph.split("\n").flatMap((line) => {
          const [, sign, name] = /^ {2}([-+~]) (\S+)/.exec(line) ?? []
          return sign === undefined ? [] : [`${sign} ${scope}/${name}`]
        })
      })
      const scopes = ["node", ...config.relays.map(({ name }) => `relay/${name}`), "relay/gone"]
      const sign = { create: "+", update: "~", remove: "-" }
      const expected = scopes.flatMap((scope) =>
        inOrder(plan.changes).filter((change) => change.scope === scope)
          .map(({ action, address }) => `${sign[action]} ${address}`)
      )
      assert.deepStrictEqual(said, expected)
    }
  )

  it.prop("plays no tricks on a terminal, whatever stands in lines and messages", [Changes], ([drawn]) => {
    for (const full of [true, false]) {
      const text = planText(planOf(drawn), { style: plainStyle, full })
      assert.notMatch(text.replaceAll("\n", ""), /[\p{C}\u2028\u2029]/u)
      const coloured = planText(planOf(drawn), { style: colourStyle, full })
      assert.strictEqual(coloured.replaceAll(/\u001b\[\d+m/g, ""), text, "colour changes nothing but colour")
    }
  })

  it.prop("takes relays together only where their whole text is the same", [Changes], ([drawn]) => {
    const plan = planOf(drawn)
    const whole = new Map(
      planText(plan, { style: plainStyle, full: true }).split("\n\n").map((each) => [headingsOf(each)[0] ?? "", each])
    )
    const brief = planText(plan, { style: plainStyle, full: false }).split("\n\n")
    for (const paragraph of brief) {
      const [scope] = headingsOf(paragraph)
      if (scope === undefined) continue
      const others = /^ {2}the same for (.*), each with its own values$/m.exec(paragraph)?.[1]?.split(", ") ?? []
      const key = (name: string) => withoutOwn(whole.get(`relay/${name}`) ?? assert.fail(name), name, config)
      for (const other of others) assert.strictEqual(key(other), key(scope.slice("relay/".length)))
      for (const other of others) assert.notInclude(headingsOf(brief.join("\n")), `relay/${other}`)
    }
  })

  it.prop("names for each blocked change a root that is not blocked itself, and its reason", [Changes], ([drawn]) => {
    const plan = planOf(drawn)
    const causes = causesOf(plan)
    assert.strictEqual(causes.size, plan.blocked.length)
    for (const { message, root } of causes.values()) {
      assert.isFalse(causes.has(root))
      assert.strictEqual(plan.failures.find(({ address }) => address === root)?.message, message)
    }
    const last = planText(plan, { style: plainStyle, full: false }).split("\n").at(-1) ?? ""
    const totals = totalsOf(plan)
    assert.match(last, /^(?:In sync|Plan|Incomplete plan) \(generation 12\): /)
    if (plan.changes.length > 0) {
      assert.include(last, `${totals.create} to create, ${totals.update} to update, ${totals.remove} to remove`)
    }
  })

  it.effect("is as long for sixty-four relays as for two that are new", () =>
    Effect.gen(function*() {
      const linesFor = Effect.fnUntraced(function*(count: number) {
        const view = yield* viewOf({ host: bareHost(), config: configOf({ count, known: false }) })
        return planText(view, { style: plainStyle, full: false }).split("\n").length
      })
      assert.strictEqual(yield* linesFor(64), yield* linesFor(2))
    }))

  it.effect("shows a relay that differs from the others for itself", () =>
    Effect.gen(function*() {
      const odd = configOf({
        count: 8,
        torrc: (name) => name === "asiago" ? "ExitPolicy accept *:*\n" : "ExitPolicy reject *:*\n"
      })
      const text = planText(yield* viewOf({ host: bareHost(), config: odd }), { style: plainStyle, full: false })
      assert.deepStrictEqual(headingsOf(text), ["node", "relay/toma", "relay/asiago"])
    }))

  it.effect("shows lists of a family as the same, though no relay names itself in its own", () =>
    Effect.gen(function*() {
      const config = configOf({ count: 3 })
      const members = config.relays.flatMap(({ fingerprint }) => fingerprint === null ? [] : [fingerprint.rsa])
      const before = { ...config, family: { ids: [], members: [RsaFingerprint.make("A".repeat(40))] } }
      const after = { ...config, family: { ids: [], members } }
      const text = planText(yield* viewOf({ host: hostOf(before), config: after }), { style: plainStyle, full: false })
      assert.deepStrictEqual(headingsOf(text), ["relay/toma"])
    }))

  it.effect("says of a kind that cannot be read its message once, and of how many relays it is", () =>
    Effect.gen(function*() {
      const view = yield* viewOf(PRESENT_CASES["cannot-be-read"]?.() ?? assert.fail())
      const text = planText(view, { style: plainStyle, full: true })
      assert.strictEqual(text.split("EACCES").length - 1, 1)
      assert.include(text, "! torrc  of 64 relays: ")
    }))
})

describe("printable text", () => {
  it.prop("is the same where nothing in it is odd", [Schema.String], ([text]) => {
    assert.notMatch(printable(text), /[\p{C}\u2028\u2029]/u)
    if (!/[\p{C}\u2028\u2029]/u.test(text)) assert.strictEqual(printable(text), text)
  })

  it.prop("of JSON means the same", [Schema.Json], ([json]) => {
    const printed = printableJson(JSON.stringify(json, null, 2))
    assert.deepStrictEqual(JSON.parse(printed), JSON.parse(JSON.stringify(json)))
    assert.notMatch(printed.replaceAll("\n", ""), /[\p{C}\u2028\u2029]/u)
  })
})
