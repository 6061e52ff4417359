import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Ed25519Fingerprint, type Fingerprints, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { Effect, Schema } from "effect"
import { bundle } from "../../../scripts/package.ts"
import { fault, Mission, MissionFault } from "../mission/Mission.ts"
import { links } from "../rig/Addresses.ts"
import { repositoryRoot } from "../rig/Repository.ts"
import { nodeTcti } from "../rig/Swtpm.ts"
import { TemporaryDirectory } from "../rig/TemporaryDirectory.ts"
import { type Cheese, CHEESES } from "./faultConfig.ts"
import { ForeignState } from "./ForeignState.ts"
import type { KillPoint } from "./KillPoint.ts"
import { type PassAnswer, PassAnswers, PassRequest } from "./PassRequest.ts"
import { Witness } from "./Witness.ts"

/** A node on which single passes of the agent are made, with a server that is there to be reached and says nothing. */
export interface FaultNode {
  readonly mission: Mission
  /** Ordinary passes, one after another in one process. */
  readonly passes: (config: NodeConfig, count: number) => Effect.Effect<ReadonlyArray<PassAnswer>, MissionFault>
  /** A pass that kills itself; the answer, where it ended before its time came. */
  readonly killed: (config: NodeConfig, kill: KillPoint) => Effect.Effect<PassAnswer | undefined, MissionFault>
  /** Powers the node off and on: a blank host, with foreign things and the witness on it. Gives what is foreign. */
  readonly reset: Effect.Effect<ReadonlyArray<string>, MissionFault>
  /** Every identity that a running tor said it has, on this boot, as `name rsa` and `name ed25519`. */
  readonly identitiesUsed: Effect.Effect<ReadonlySet<string>, MissionFault>
  /** What is in the relay's key directory, as tor wrote it down. */
  readonly fingerprints: (name: Cheese) => Effect.Effect<Fingerprints, MissionFault>
  /** Everything that Patela may have written, with times and numbers: equal means that nothing was. */
  readonly footprint: Effect.Effect<string, MissionFault>
}

const KILLED = 128 + 9

const FOOTPRINT = `find /etc /run/patela -printf '%p %m %u %g %s %T@ %i\\n' | sort
find /var/lib/tor-instances -maxdepth 1 -printf '%p %m %u %g %T@ %i\\n' | sort
find /var/lib/tor-instances -name '*secret*' -printf '%p %m %u %g %s %T@ %i\\n' | sort
nft -s --handle list ruleset; ip address show; ip rule; ip -6 rule; ip route show table all
systemctl show --property=InvocationID,MainPID,ExecMainStartTimestamp 'tor@*'`

export const FaultNode = {
  make: Effect.fnUntraced(function*() {
    const folder = yield* TemporaryDirectory.make("faults")
    yield* fault(bundle(`${repositoryRoot}/test/src/faults/passDriver.ts`, `${folder}/passDriver.cjs`))
    const mission = yield* Mission.make({
      agentAtBoot: false,
      byTpmTools: true,
      binds: [{ source: folder, target: "/opt/faults", writable: true }]
    })
    const { node } = mission

    const run = Effect.fnUntraced(function*(config: NodeConfig, kill: KillPoint | null, passes: number) {
      const request = yield* Schema.encodeEffect(PassRequest)({
        config,
        server: mission.server.url,
        caCertificate: "/etc/patela/ca.pem",
        tpm: nodeTcti,
        relayInterface: links.relay,
        kill,
        passes
      })
      const { exitCode, stderr, stdout } = yield* node.exec(["/opt/patela/node", "/opt/faults/passDriver.cjs"], {
        env: { NODE_COMPILE_CACHE: "/opt/faults/cache", PATELA_TPM_TRANSPORT: "tools" },
        stdin: request,
        within: "3 minutes"
      })
      if (kill !== null && exitCode === KILLED) return []
      if (exitCode !== 0) return yield* new MissionFault({ message: `the pass ended with ${exitCode}: ${stderr}` })
      return yield* Schema.decodeEffect(PassAnswers)(stdout)
    }, fault)

    const reset = Effect.gen(function*() {
      yield* mission.rig.powerOff
      yield* mission.rig.boot
      yield* ForeignState.install(node)
      yield* Witness.install(node, CHEESES)
      return yield* ForeignState.look(node)
    }).pipe(fault)

    const identitiesUsed = fault(node.execOk(["journalctl", "--no-pager", "--output=cat", "_COMM=tor"])).pipe(
      Effect.map((text) => {
        const said = text.matchAll(/identity key (?:ed25519 )?fingerprint is '([^']+)'/g)
        return new Set([...said].map(([, identity = ""]) => identity))
      })
    )

    const fingerprints = Effect.fnUntraced(function*(name: Cheese) {
      const state = `/var/lib/tor-instances/${name}`
      const [rsa, ed25519] = (yield* node.execOk(["cat", `${state}/fingerprint`, `${state}/fingerprint-ed25519`]))
        .trim().split("\n").map((line) => line.split(" ")[1] ?? "")
      return { rsa: RsaFingerprint.make(rsa ?? ""), ed25519: Ed25519Fingerprint.make(ed25519 ?? "") }
    }, fault)

    const footprint = fault(node.execOk(["sh", "-c", FOOTPRINT]))
    const faultNode: FaultNode = {
      mission,
      passes: (config, count) => run(config, null, count),
      killed: (config, kill) => Effect.map(run(config, kill, 1), ([answer]) => answer),
      reset,
      identitiesUsed,
      fingerprints,
      footprint
    }
    return faultNode
  })
}
