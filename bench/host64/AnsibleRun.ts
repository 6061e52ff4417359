import { markOf, Slot, uidOf } from "@patela/domain/relay/Slot"
import { Clock, Effect, Schema } from "effect"
import { fault, type Mission, MissionFault } from "../../test/src/mission/Mission.ts"
import type { RelayOnRecord } from "../../test/src/mission/RelayOnRecord.ts"
import { links, relayNetwork } from "../../test/src/rig/Addresses.ts"
import { repositoryRoot } from "../../test/src/rig/Repository.ts"
import { median } from "../Row.ts"

/** What a playbook took that found everything in place. */
export interface AnsibleRun {
  readonly seconds: number
  readonly version: string
}

const FOLDER = `${repositoryRoot}/bench/ansible`
const VARIABLES = "/run/ansible-vars.json"
const RUNS = 2

const encodeVariables = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** Runs the playbook of bench/ansible on a node that has all it asks for; anything that it changes there is a failure. */
export const runAnsible = Effect.fnUntraced(function*(mission: Mission, relays: ReadonlyArray<RelayOnRecord>) {
  const { node } = mission
  const torrcs = yield* Effect.forEach(relays, ({ name }) => node.execOk(["cat", `/etc/tor/instances/${name}/torrc`]))
  const variables = {
    link: links.relay,
    prefix_v4: relayNetwork.prefixV4,
    prefix_v6: relayNetwork.prefixV6,
    dns: [relayNetwork.gatewayV4],
    rules: [{ pref: 8020, by: "uidrange 50000-50511" }, { pref: 8021, by: "fwmark 0x8020000/0xffff0000" }],
    routes: [
      { family: "-4", route: "unreachable default metric 4294967295", shown: "unreachable default" },
      { family: "-4", route: `198.51.100.0/24 dev ${links.relay}`, shown: "198.51.100.0/24" },
      {
        family: "-4",
        route: `default via ${relayNetwork.gatewayV4} dev ${links.relay} onlink`,
        shown: `via ${relayNetwork.gatewayV4}`
      },
      { family: "-6", route: "unreachable default metric 4294967295", shown: "unreachable default" },
      { family: "-6", route: `2001:db8:8020::/64 dev ${links.relay}`, shown: "2001:db8:8020::/64" },
      {
        family: "-6",
        route: `default via ${relayNetwork.gatewayV6} dev ${links.relay} onlink`,
        shown: `via ${relayNetwork.gatewayV6}`
      }
    ],
    relays: relays.map(({ ip_v4, ip_v6, name, slot }, index) => ({
      name,
      id: uidOf(Slot.make(slot)),
      mark: markOf(Slot.make(slot)),
      ip_v4,
      ip_v6,
      torrc: (torrcs[index] ?? "").trimEnd().split("\n")
    }))
  }
  yield* node.execOk(["tee", VARIABLES], { stdin: encodeVariables(variables) })

  const play = node.exec(["ansible-playbook", "--extra-vars", `@${VARIABLES}`, `${FOLDER}/playbook.yml`], {
    env: { ANSIBLE_CONFIG: `${FOLDER}/ansible.cfg`, ANSIBLE_HOME: "/run/ansible" },
    within: "10 minutes"
  })
  // The first run writes the one file that is Ansible's own, and compiles Python.
  yield* play
  const times: Array<number> = []
  for (let run = 0; run < RUNS; run++) {
    const began = yield* Clock.currentTimeMillis
    const { exitCode, stderr, stdout } = yield* play
    times.push(((yield* Clock.currentTimeMillis) - began) / 1000)
    if (exitCode !== 0 || !/changed=0 +unreachable=0 +failed=0/.test(stdout)) {
      return yield* new MissionFault({ message: `the playbook found something to do: ${stdout.slice(-2000)}${stderr}` })
    }
  }
  const version = /core ([\d.]+)/.exec(yield* node.execOk(["ansible", "--version"]))?.[1] ?? "?"
  return { seconds: median(times), version } satisfies AnsibleRun
}, fault)
