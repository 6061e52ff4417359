import { Console, Effect } from "effect"
import { createInterface } from "node:readline/promises"
import { type Mission, Mission as Missions, MissionFault } from "../test/src/mission/Mission.ts"
import { managementPath, type RelaySeen, seeRelay, seeRoot } from "../test/src/mission/observe.ts"
import { type RelayOnRecord, relaysOnRecord } from "../test/src/mission/RelayOnRecord.ts"
import { waitingNode } from "../test/src/mission/waitingNode.ts"
import { faint, seen, step, strong } from "./Progress.ts"

/** How many relays the demo's node runs, whatever this machine has. */
const RELAYS = 3

/** The demo is only worth something if it fails when what it claims is not so. */
const must = (holds: boolean, what: string): Effect.Effect<void, MissionFault> =>
  holds ? seen(what) : Effect.fail(new MissionFault({ message: `NOT so: ${what}` }))

/** The whole mission: first boot, approval, relays; then a power cut, a blank root, and the same relays again. */
export const demo = Effect.fnUntraced(function*({ keep }: { readonly keep: boolean }) {
  yield* Console.log(strong("First run"))
  const mission = yield* step(
    "a server with a CA of its own, a default torrc and a relay network; a node that is off",
    Missions.make({ agentAtBoot: true })
  )
  yield* step("the node boots a blank root; its agent asks the server who it is", mission.rig.boot)
  const waiting = yield* step("the agent is told 401, not yet enabled, and goes on asking", waitingNode(mission))
  yield* seen(`the server lists node ${waiting.id} as waiting, EK ${waiting.ek_fingerprint}`)
  yield* Console.log(faint(`    agent: ${lastLine(yield* mission.agentJournal)}`))
  yield* step(
    `patela node set ${waiting.id} relays ${RELAYS}; patela enable ${waiting.id}`,
    Effect.gen(function*() {
      yield* mission.patela("node", "set", String(waiting.id), "relays", String(RELAYS))
      yield* mission.patela("enable", String(waiting.id))
    })
  )
  const first = yield* step(
    "the agent is given its credential, opens it in the TPM, and brings up the relays",
    look(mission)
  )
  yield* must(first.answer === 201, "the server answered 201: this node authenticated for the first time")
  yield* prove(mission, first.seen, first.record)

  yield* Console.log(strong("\nPower cut, and a boot from a blank root with the same TPM"))
  yield* step("the plug is pulled: every process and every file is gone", mission.rig.powerOff)
  yield* step("the node boots", mission.rig.boot)
  const second = yield* step("the agent authenticates and restores the identity keys from the TPM", look(mission))
  yield* must(second.answer === 200, "the server answered 200: it knows this node")
  yield* prove(mission, second.seen, second.record)
  yield* must(
    JSON.stringify(second.seen) === JSON.stringify(first.seen),
    "the same names, addresses and fingerprints as before the power cut"
  )

  yield* Console.log(`\n${table(second.seen)}\n`)
  if (keep) yield* playOn(mission)
  else yield* Console.log("Play on: npm run demo -- --keep")
})

/** Waits for the boot unit, then looks at everything from outside Patela. */
const look = Effect.fnUntraced(function*(mission: Mission) {
  const result = yield* mission.agentUnitDone
  if (result !== "success") {
    return yield* new MissionFault({ message: `patela-agent.service: ${result}\n${yield* mission.agentJournal}` })
  }
  const record = yield* relaysOnRecord(mission)
  const relays = yield* Effect.forEach(record, (relay) => seeRelay(mission, relay))
  const answers = (yield* mission.server.lines).flatMap((line) => {
    const status = /authenticated: (20[01])/.exec(line)?.[1]
    return status === undefined ? [] : [Number(status)]
  })
  return { record, seen: relays, answer: answers.at(-1) ?? 0 }
})

const prove = Effect.fnUntraced(function*(
  mission: Mission,
  relays: ReadonlyArray<RelaySeen>,
  record: ReadonlyArray<RelayOnRecord>
) {
  yield* must(relays.length === RELAYS, `${relays.length} relays: ${relays.map(({ name }) => name).join(", ")}`)
  yield* must(relays.every(({ unit }) => unit === "active"), "systemd says that every tor@ unit is active")
  yield* must(
    relays.every((relay, index) =>
      relay.rsa === record[index]?.fingerprint?.rsa && relay.ed25519 === record[index]?.fingerprint?.ed25519
    ),
    "the fingerprints that tor wrote are those on the server's record"
  )
  yield* must(
    relays.every((relay, index) => relay.sourceV4 === record[index]?.ip_v4 && relay.sourceV6 === record[index]?.ip_v6),
    "beyond the gateways, each relay's UID is seen with its own IPv4 and IPv6 address"
  )
  yield* must(
    JSON.stringify(yield* seeRoot(mission)) === JSON.stringify(managementPath),
    "root still leaves by the management link"
  )
  const diff = yield* mission.agent("diff")
  yield* must(diff.exitCode === 0, `patela-agent diff exits 0: ${diff.stdout.trim()}`)
})

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? ""

const table = (relays: ReadonlyArray<RelaySeen>): string => {
  const rows = [
    ["relay", "unit", "leaves as", "", "fingerprint"],
    ...relays.map(({ name, rsa, sourceV4, sourceV6, unit }) => [name, unit, sourceV4, sourceV6, rsa])
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

/** Leaves everything up until the person is done. */
const playOn = Effect.fnUntraced(function*(mission: Mission) {
  const leader = yield* mission.node.leader
  yield* Console.log(
    [
      "Everything is up. In another terminal, as root:",
      `  a shell on the node:   nsenter --target ${leader} --all -- /bin/bash`,
      "    there:               systemctl list-units 'tor@*'; set -a; . /etc/patela/agent.env",
      "                         /opt/patela/patela-agent diff; /opt/patela/patela-agent reconcile",
      `  the server's database: DATABASE_URL=sqlite:${mission.server.folder}/patela.db npx patela list all`,
      ""
    ].join("\n")
  )
  yield* Effect.callback<void>((resume) => {
    const prompt = createInterface({ input: process.stdin, output: process.stdout })
    const end = () => {
      prompt.close()
      resume(Effect.void)
    }
    prompt.question("Return ends it and cleans up: ").then(end, end)
    prompt.on("close", () => resume(Effect.void))
    return Effect.sync(() => prompt.close())
  })
})
