import { Effect, Schema, type Scope } from "effect"
import { chmodSync, writeFileSync } from "node:fs"
import { management, relayNetwork } from "../rig/Addresses.ts"
import { CertificateAuthority } from "../rig/CertificateAuthority.ts"
import { CommandFailed, type CommandResult } from "../rig/Command.ts"
import type { ContainerMachine, ContainerMachineOptions } from "../rig/ContainerMachine.ts"
import { type DeadlineOptions, found, instead, waitFor } from "../rig/Deadline.ts"
import type { RootKind } from "../rig/DebianRoot.ts"
import type { Machine } from "../rig/Machine.ts"
import type { MachineRoom } from "../rig/MachineRoom.ts"
import type { Bind } from "../rig/NodeContainer.ts"
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
export interface Mission<Room extends MachineRoom = Rig> {
  readonly rig: Room
  readonly node: Room["node"]
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
}

/** A machine with the agent in its image. */
export interface ImagedMachine extends ContainerMachine, Pick<Mission, "agent"> {}

/** A mission on containers, of which there may be more than one. */
export interface ContainerMission extends Mission {
  /** One more machine with the same image, off: the server knows nothing of it. */
  readonly another: (hostname: string) => Effect.Effect<ImagedMachine, MissionFault, Scope.Scope>
}

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

/** The units of an image. */
const UNITS = ["patela-agent.service", "patela-agent-watch.service"]

/** What stands before a machine room is chosen: the server's certificate, and what the image has of Patela's. */
export const missionImage = Effect.fnUntraced(function*(environment: Readonly<Record<string, string>>) {
  const agentHome = yield* packagedAgent
  const authority = yield* CertificateAuthority.make({ addresses: [management.serverV4] })
  const folder = yield* TemporaryDirectory.make("mission")
  const whole = {
    PATELA_SERVER: `https://${management.serverV4}:8020`,
    PATELA_CA_CERT: "/etc/patela/ca.pem",
    ...environment
  }
  yield* Effect.sync(() => {
    writeFileSync(`${folder}/agent.env`, Object.entries(whole).map(([key, value]) => `${key}=${value}\n`).join(""))
    chmodSync(`${folder}/agent.env`, 0o600)
    writeFileSync(`${folder}/torrc`, DEFAULT_TORRC)
  })
  const files: ReadonlyArray<Bind> = [
    { source: agentHome, target: "/opt/patela" },
    { source: `${folder}/agent.env`, target: "/etc/patela/agent.env" },
    { source: authority.caCertificate, target: "/etc/patela/ca.pem" },
    ...UNITS.map((unit) => ({ source: `${agentHome}/units/${unit}`, target: `/etc/systemd/system/${unit}` }))
  ]
  return { authority, files, environment: whole, torrc: `${folder}/torrc` }
})

type MissionImage = Effect.Success<ReturnType<typeof missionImage>>

const agentOn = (node: Machine, environment: Readonly<Record<string, string>>): Mission["agent"] => (...args) =>
  node.exec(["/opt/patela/patela-agent", ...args], { env: environment, within: "3 minutes" }).pipe(fault)

/** A mission in a machine room: its server runs when this returns, and its node is as it was. */
export const missionIn = Effect.fnUntraced(function*<Room extends MachineRoom>(
  rig: Room,
  { authority, environment, torrc }: MissionImage,
  options: Pick<MissionOptions, "serverEnvironment" | "told"> & {
    /** How long one waits for the agent's unit, and how often one looks: looking takes time from a slow node. */
    readonly patience: DeadlineOptions
  }
) {
  const server = yield* PatelaServer.make({
    namespace: rig.server.namespace,
    authority,
    ...(options.serverEnvironment === undefined ? {} : { env: options.serverEnvironment })
  })
  const node: Room["node"] = rig.node

  const patela = (...args: ReadonlyArray<string>) =>
    server.cli(args).pipe(
      Effect.flatMap((result) =>
        result.exitCode === 0
          ? Effect.succeed(result.stdout)
          : Effect.fail(new CommandFailed({ argv: ["patela", ...args], ...result }))
      ),
      fault
    )

  const agentJournal = node.execOk(["journalctl", "--no-pager", "--output=cat", "--unit=patela-agent.service"]).pipe(
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
    options.patience
  ).pipe(
    fault,
    Effect.catch(({ message }) =>
      Effect.flatMap(agentJournal, (said) => new MissionFault({ message: `${message} The agent said: ${said}` }))
    )
  )

  yield* patela("torrc", "import", torrc, "default")
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
  const agent = agentOn(node, environment)
  const mission: Mission<Room> = { environment, rig, node, server, patela, agent, agentUnitDone, agentJournal }
  return mission
}, fault)

export const Mission = {
  /** The server runs when this returns; the node, a container, is off. */
  make: Effect.fnUntraced(function*(options: MissionOptions) {
    const image = yield* missionImage({
      TPM2TOOLS_TCTI: nodeTcti,
      ...(options.byTpmTools === true ? { PATELA_TPM_TRANSPORT: "tools" } : {})
    })
    const machine = (hostname: string): ContainerMachineOptions => ({
      hostname,
      // The agent's unit is part of the boot, and waits for a person.
      bootedWhen: options.agentAtBoot ? "basic" : "running",
      bootArguments: options.agentAtBoot ? ["systemd.wants=patela-agent.service"] : [],
      binds: [...image.files, ...options.binds ?? []]
    })
    const rig = yield* Rig.make({
      ...machine("cantina"),
      ...(options.root === undefined ? {} : { root: options.root })
    })
    const another: ContainerMission["another"] = (hostname) =>
      rig.another(machine(hostname)).pipe(
        Effect.map((made) => ({ ...made, agent: agentOn(made.node, image.environment) })),
        fault
      )
    const patience = { within: "4 minutes", every: "50 millis" } as const
    const mission: ContainerMission = { ...yield* missionIn(rig, image, { ...options, patience }), another }
    return mission
  }, fault)
}
