import { Effect, Schema, type Scope } from "effect"
import { chmodSync, writeFileSync } from "node:fs"
import { management, relayNetwork } from "../rig/Addresses.ts"
import { CertificateAuthority } from "../rig/CertificateAuthority.ts"
import { CommandFailed, type CommandResult } from "../rig/Command.ts"
import { found, instead, waitFor } from "../rig/Deadline.ts"
import type { RootKind } from "../rig/DebianRoot.ts"
import type { Machine, MachineOptions } from "../rig/Machine.ts"
import type { Bind, NodeContainer } from "../rig/NodeContainer.ts"
import { PatelaServer } from "../rig/PatelaServer.ts"
import { Rig } from "../rig/Rig.ts"
import { nodeTcti } from "../rig/Swtpm.ts"
import { TemporaryDirectory } from "../rig/TemporaryDirectory.ts"
import { packagedAgent } from "./packagedAgent.ts"

/** What every relay of the mission has; short shut-down, since nobody uses these relays. */
export const DEFAULT_TORRC = [
  "ContactInfo \"Patela demo <nobody@example.org>\"",
  "ExitPolicy reject *:*",
  "ShutdownWaitLength 2",
  ""
].join("\n")

/** A server that is set up, and a node with the agent in its image that nobody has enabled yet. */
export interface Mission {
  readonly rig: Rig
  readonly node: NodeContainer
  readonly server: PatelaServer
  /** Runs `patela ARGUMENTS`; anything but success is a failure. */
  readonly patela: (...args: ReadonlyArray<string>) => Effect.Effect<string, MissionFault>
  /** Runs `patela-agent ARGUMENTS` on the node, with the unit's environment. */
  readonly agent: (...args: ReadonlyArray<string>) => Effect.Effect<CommandResult, MissionFault>
  /** The environment of the agent's unit. */
  readonly environment: Readonly<Record<string, string>>
  /** Waits until the boot unit's own run of the agent is over; gives systemd's word for it: success or not. */
  readonly agentUnitDone: Effect.Effect<string, MissionFault>
  /** What the boot unit's agent wrote. */
  readonly agentJournal: Effect.Effect<string, MissionFault>
  /** One more machine with the same image, off: the server knows nothing of it. */
  readonly another: (hostname: string) => Effect.Effect<ImagedMachine, MissionFault, Scope.Scope>
}

/** A machine with the agent in its image. */
export interface ImagedMachine extends Machine, Pick<Mission, "agent"> {}

export class MissionFault extends Schema.TaggedError<MissionFault>()("MissionFault", { message: Schema.String }) {}

/** Whatever went wrong with the rig, with what it says. */
export const fault = <A, R>(
  effect: Effect.Effect<A, { readonly message: string }, R>
): Effect.Effect<A, MissionFault, R> => Effect.mapError(effect, ({ message }) => new MissionFault({ message }))

export interface MissionOptions {
  /** Whether the node runs the agent's unit by itself at boot, as an image does; else the test runs the agent. */
  readonly agentAtBoot: boolean
  readonly serverEnvironment?: Readonly<Record<string, string>>
  /** What the node boots; "node" unless told. */
  readonly root?: RootKind
  /** What the node sees of this machine besides the agent. */
  readonly binds?: ReadonlyArray<Bind>
  /** What a person has told the server beforehand: arguments of `patela`. */
  readonly told?: ReadonlyArray<ReadonlyArray<string>>
  /** Makes the agent use tpm2-tools, so that a test can stand between. */
  readonly byTpmTools?: boolean
}

export const Mission = {
  /** The server runs when this returns; the node is off. */
  make: Effect.fnUntraced(function*(options: MissionOptions) {
    const agentHome = yield* packagedAgent
    const authority = yield* CertificateAuthority.make({ addresses: [management.serverV4] })
    const folder = yield* TemporaryDirectory.make("mission")
    const environment = {
      PATELA_SERVER: `https://${management.serverV4}:8020`,
      PATELA_CA_CERT: "/etc/patela/ca.pem",
      TPM2TOOLS_TCTI: nodeTcti,
      ...(options.byTpmTools === true ? { PATELA_TPM_TRANSPORT: "tools" } : {})
    }
    yield* Effect.sync(() => {
      writeFileSync(
        `${folder}/agent.env`,
        Object.entries(environment).map(([key, value]) => `${key}=${value}\n`).join("")
      )
      chmodSync(`${folder}/agent.env`, 0o600)
      writeFileSync(`${folder}/torrc`, DEFAULT_TORRC)
    })
    const units = ["patela-agent.service", "patela-agent-watch.service"]
    const machine = (hostname: string): MachineOptions => ({
      hostname,
      // The agent's unit is part of the boot, and waits for a person.
      bootedWhen: options.agentAtBoot ? "basic" : "running",
      bootArguments: options.agentAtBoot ? ["systemd.wants=patela-agent.service"] : [],
      binds: [
        { source: agentHome, target: "/opt/patela" },
        { source: `${folder}/agent.env`, target: "/etc/patela/agent.env" },
        { source: authority.caCertificate, target: "/etc/patela/ca.pem" },
        ...units.map((unit) => ({ source: `${agentHome}/units/${unit}`, target: `/etc/systemd/system/${unit}` })),
        ...options.binds ?? []
      ]
    })
    const rig = yield* Rig.make({
      ...machine("cantina"),
      ...(options.root === undefined ? {} : { root: options.root })
    })
    const server = yield* PatelaServer.make({
      namespace: rig.server.namespace,
      authority,
      ...(options.serverEnvironment === undefined ? {} : { env: options.serverEnvironment })
    })
    const { node } = rig

    const patela = (...args: ReadonlyArray<string>) =>
      server.cli(args).pipe(
        Effect.flatMap((result) =>
          result.exitCode === 0
            ? Effect.succeed(result.stdout)
            : Effect.fail(new CommandFailed({ argv: ["patela", ...args], ...result }))
        ),
        fault
      )

    const agentOf = ({ node }: Machine): Mission["agent"] => (...args) =>
      node.exec(["/opt/patela/patela-agent", ...args], { env: environment, within: "3 minutes" }).pipe(fault)

    const another: Mission["another"] = (hostname) =>
      rig.another(machine(hostname)).pipe(
        Effect.map((made) => ({ ...made, agent: agentOf(made) })),
        fault
      )

    const agentUnitDone = waitFor(
      "the agent's unit to finish",
      Effect.gen(function*() {
        const text = yield* node.execOk(["systemctl", "show", "--property=ActiveState,Result", "patela-agent.service"])
        const state = new Map(text.split("\n").map((line) => [line.split("=")[0], line.split("=")[1]]))
        const active = state.get("ActiveState")
        return active === "active" || active === "failed" ? found(state.get("Result") ?? "") : instead(text)
      }),
      { within: "120 seconds", every: "50 millis" }
    ).pipe(fault)

    const agentJournal = node.execOk(["journalctl", "--no-pager", "--output=cat", "--unit=patela-agent.service"]).pipe(
      fault
    )

    yield* patela("torrc", "import", `${folder}/torrc`, "default")
    yield* patela(
      "network",
      "set",
      "--gateway-v4",
      relayNetwork.gatewayV4,
      "--gateway-v6",
      relayNetwork.gatewayV6,
      "--dns",
      relayNetwork.gatewayV4
    )
    yield* Effect.forEach(options.told ?? [], (args) => patela(...args))
    yield* server.start
    const agent = agentOf(rig)
    const mission: Mission = { environment, rig, node, server, patela, agent, agentUnitDone, agentJournal, another }
    return mission
  }, fault)
}
