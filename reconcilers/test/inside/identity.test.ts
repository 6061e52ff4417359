import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot, uidOf } from "@patela/domain/relay/Slot"
import { Effect, Layer, Option, Redacted, Ref } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { FileMonitor } from "../../src/host/FileMonitor.ts"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { ReplaceFile } from "../../src/host/ReplaceFile.ts"
import { FamilyKeyReader } from "../../src/identity/FamilyKeyReader.ts"
import { fingerprintLine } from "../../src/identity/HostIdentity.ts"
import { Identities } from "../../src/identity/Identities.ts"
import {
  digestOfStored,
  IdentityStoreReader,
  IdentityStoreWriter,
  type StoredIdentities
} from "../../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../../src/identity/KeyFileReader.ts"
import { KeyFileWriter } from "../../src/identity/KeyFileWriter.ts"
import { fingerprintsOf, keyFilesOf } from "../../src/identity/RelayIdentity.ts"
import { SavedIdentities } from "../../src/identity/SavedIdentities.ts"
import { TorKeygen } from "../../src/identity/TorKeygen.ts"

if (!existsSync("/run/systemd/container")) {
  throw new Error("these tests change the system they run on: run them inside the throw-away container")
}

const command = HostCommand.layer.pipe(Layer.provide(NodeServices.layer))

/** A store in memory; it forgets nothing that the relays' directories forget. */
const store = Layer.unwrap(Effect.map(
  Ref.make<{ readonly entries: StoredIdentities; readonly writes: number }>({ entries: new Map(), writes: 0 }),
  (ref) =>
    Layer.mergeAll(
      Layer.succeed(IdentityStoreReader, {
        isToMove: Effect.succeed(false),
        read: Effect.map(Ref.get(ref), ({ entries }) => entries),
        digest: Effect.map(Ref.get(ref), ({ entries, writes }) =>
          writes === 0 ? Option.none() : Option.some(digestOfStored(entries)))
      }),
      Layer.succeed(IdentityStoreWriter, {
        write: (entries) =>
          Ref.update(ref, ({ writes }) => ({ entries, writes: writes + 1 }))
      })
    )
))

const host = Layer.mergeAll(
  FileMonitor.layer,
  store,
  FamilyKeyReader.layer,
  KeyFileReader.layer,
  KeyFileWriter.layer.pipe(Layer.provide(ReplaceFile.layer)),
  TorKeygen.layer.pipe(Layer.provide(command))
)

const run = (program: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })

const NAMES = ["taleggio", "robiola"]
const stateOf = (name: string): string => `/var/lib/tor-instances/${name}`
const fileOf = (name: string, file: string): string =>
  readFileSync(`${stateOf(name)}/${file}`, "utf8").trim().split(" ")[1] ?? ""

const inputFor = (records: Readonly<Record<string, Fingerprints>> = {}): DesiredInput => ({
  configIsNew: false,
  facts: { cpus: 2, memory: 2 ** 32, relayInterface: { found: true, name: "ens0" } },
  config: {
    geoip: false,
    test_network: false,
    generation: 1,
    removed: [],
    network: {
      gateway_v4: Ipv4.make("192.0.2.1"),
      gateway_v6: null,
      prefix_v4: 24,
      prefix_v6: null,
      dns: [],
      pools: []
    },
    relays: NAMES.map((name, index) => ({
      name: RelayName.make(name),
      slot: Slot.make(100 + index),
      ip_v4: Ipv4.make("192.0.2.2"),
      ip_v6: null,
      or_port: 9001,
      dir_port: null,
      torrc: "",
      fingerprint: records[name] ?? null
    }))
  }
})

/** A blank state directory and an account with the slot's number, as the kinds before this one leave them. */
const blank = (name: string, index: number): void => {
  const uid = String(uidOf(Slot.make(100 + index)))
  try {
    run("id", `_tor-${name}`)
  } catch {
    run("groupadd", "-g", uid, `_tor-${name}`)
    run("useradd", "-u", uid, "-g", uid, "-M", "-s", "/bin/false", `_tor-${name}`)
  }
  rmSync(stateOf(name), { recursive: true, force: true })
  run("install", "-d", "-m", "02700", "-o", uid, "-g", uid, stateOf(name))
}

/** As the host was before, for whatever test comes next. */
const cleanUp = (): void => {
  for (const name of NAMES) {
    rmSync(stateOf(name), { recursive: true, force: true })
    rmSync(`/etc/tor/instances/${name}`, { recursive: true, force: true })
    // The 25 keys are made for one relay alone.
    if (run("getent", "passwd").includes(`_tor-${name}:`)) run("userdel", `_tor-${name}`)
  }
}

const converge = Effect.fnUntraced(function*(kind: typeof Identities, input: DesiredInput) {
  const plan = yield* kind.plan(input)
  const outcomes = yield* plan.apply(() => true)
  return { changes: plan.changes, outcomes: [...outcomes.values()] }
})

const save = Effect.fnUntraced(function*(input: DesiredInput) {
  const plan = yield* SavedIdentities.plan(input)
  return [...(yield* plan.apply(() => true)).values()]
})

const allDone = [{ done: true }, { done: true }]

describe("identities on a host", () => {
  it.live("are made by tor, kept, and the same after a power cut", () =>
    Effect.gen(function*() {
      NAMES.forEach(blank)
      const reader = yield* KeyFileReader
      const owners = NAMES.map((name, index) => ({
        name: RelayName.make(name),
        uid: uidOf(Slot.make(100 + index)),
        gid: uidOf(Slot.make(100 + index))
      }))
      const seen = Effect.map(reader.look(owners), (all) =>
        Object.fromEntries([...all].flatMap(([name, it]) => (it.state === "present" ? [[name, it.fingerprints]] : []))))

      assert.deepEqual((yield* converge(Identities, inputFor())).outcomes, allDone)
      assert.deepEqual((yield* Identities.plan(inputFor())).changes, [])
      const records = yield* seen
      for (const name of NAMES) {
        assert.strictEqual(records[name]?.rsa, fileOf(name, "fingerprint"))
        assert.strictEqual(records[name]?.ed25519, fileOf(name, "fingerprint-ed25519"))
      }
      assert.strictEqual((yield* SavedIdentities.plan(inputFor())).changes.length, 2)
      assert.deepEqual(yield* save(inputFor()), allDone)
      assert.deepEqual((yield* SavedIdentities.plan(inputFor())).changes, [])

      // The machine lost everything but the store.
      NAMES.forEach(blank)
      assert.deepEqual((yield* SavedIdentities.plan(inputFor(records))).changes, [])
      assert.deepEqual((yield* converge(Identities, inputFor(records))).outcomes, allDone)
      assert.deepEqual(yield* seen, records)
      for (const name of NAMES) {
        assert.deepEqual(readdirSync(`${stateOf(name)}/keys`).sort(), ["ed25519_master_id_secret_key", "secret_id_key"])
        const { gid, mode, uid } = statSync(`${stateOf(name)}/keys/secret_id_key`)
        assert.deepEqual([mode & 0o7777, uid, gid], [0o600, uidOf(Slot.make(100 + NAMES.indexOf(name))), uid])
      }

      // tor itself, as a unit, says the same.
      run("ip", "link", "set", "lo", "up")
      run("mkdir", "-p", "/etc/tor/instances/taleggio")
      writeFileSync(
        "/etc/tor/instances/taleggio/torrc",
        "Nickname taleggio\nSocksPort 0\nORPort 127.0.0.1:9201\nAddress 127.0.0.1\nPublishServerDescriptor 0\n" +
          "AssumeReachable 1\nShutdownWaitLength 1\nContactInfo \"nobody\"\n"
      )
      run("systemctl", "start", "tor@taleggio")
      assert.strictEqual(fileOf("taleggio", "fingerprint"), records["taleggio"]?.rsa)
      assert.strictEqual(fileOf("taleggio", "fingerprint-ed25519"), records["taleggio"]?.ed25519)
      run("systemctl", "stop", "tor@taleggio")
      assert.deepEqual((yield* Identities.plan(inputFor(records))).changes, [])

      // A changed mode is mended, half an identity completed, even where tor left what it derived.
      chmodSync(`${stateOf("taleggio")}/keys/secret_id_key`, 0o644)
      rmSync(`${stateOf("robiola")}/keys/ed25519_master_id_secret_key`)
      const mended = yield* converge(Identities, inputFor(records))
      assert.deepEqual(
        mended.changes.flatMap(({ lines }) =>
          lines
        ),
        [
          "secret_id_key: mode 644 -> 600",
          "the ed25519 key file is missing (sensitive)"
        ]
      )
      assert.deepEqual(mended.outcomes, allDone)
      assert.deepEqual(yield* seen, records)

      // Keys that say something else than the server stay as they are, and so does the store.
      const taleggio = records["taleggio"]
      const robiola = records["robiola"]
      assert.isTrue(taleggio !== undefined && robiola !== undefined)
      if (taleggio === undefined || robiola === undefined) return
      const swapped = yield* converge(Identities, inputFor({ taleggio: robiola, robiola }))
      assert.isTrue(swapped.outcomes.every((it) => !it.done && it.message.includes(fingerprintLine(taleggio))))
      assert.deepEqual(yield* seen, records)
    }).pipe(Effect.provide(host), Effect.ensuring(Effect.sync(cleanUp))), 120_000)

  it.live("are not made for a relay that the server knows", () =>
    Effect.gen(function*() {
      NAMES.forEach(blank)
      assert.deepEqual((yield* converge(Identities, inputFor())).outcomes, allDone)
      const reader = yield* KeyFileReader
      const look = yield* reader.look([{ name: RelayName.make("taleggio"), uid: 0, gid: 0 }])
      const host = look.get(RelayName.make("taleggio"))
      assert.isTrue(host?.state === "present")
      if (host?.state !== "present") return
      NAMES.forEach(blank)
      const [taleggio, robiola] = (yield* converge(Identities, inputFor({ taleggio: host.fingerprints }))).outcomes
      assert.deepEqual(robiola, { done: true })
      assert.isTrue(taleggio?.done === false && taleggio.message.includes("but the TPM has no key for it"))
      assert.isFalse(existsSync(`${stateOf("taleggio")}/keys/secret_id_key`))
    }).pipe(Effect.provide(host), Effect.ensuring(Effect.sync(cleanUp))), 120_000)

  it.live("are completed by tor where one file is missing and nobody knows the relay", () =>
    Effect.gen(function*() {
      NAMES.forEach(blank)
      yield* converge(Identities, inputFor())
      rmSync(`${stateOf("taleggio")}/keys/ed25519_master_id_secret_key`)
      rmSync(`${stateOf("robiola")}/keys/secret_id_key`)
      assert.deepEqual((yield* converge(Identities, inputFor())).outcomes, allDone)
      assert.deepEqual((yield* Identities.plan(inputFor())).changes, [])
    }).pipe(Effect.provide(host), Effect.ensuring(Effect.sync(cleanUp))), 120_000)

  it.live("come back byte for byte from their 192 bytes", () =>
    Effect.gen(function*() {
      const keygen = yield* TorKeygen
      const reader = yield* KeyFileReader
      for (let count = 0; count < 25; count++) {
        blank("taleggio", 0)
        yield* keygen.make(RelayName.make("taleggio"))
        const owner = { name: RelayName.make("taleggio"), uid: 0, gid: 0 }
        const identity = Option.getOrThrow(yield* reader.identity(owner))
        const { ed25519, rsa } = keyFilesOf(identity)
        const keys = `${stateOf("taleggio")}/keys`
        assert.isTrue(readFileSync(`${keys}/ed25519_master_id_secret_key`).equals(Redacted.value(ed25519)))
        assert.isTrue(readFileSync(`${keys}/secret_id_key`).equals(Redacted.value(rsa)))
        assert.strictEqual(fingerprintsOf(identity).rsa, fileOf("taleggio", "fingerprint"))
        assert.strictEqual(fingerprintsOf(identity).ed25519, fileOf("taleggio", "fingerprint-ed25519"))
      }
    }).pipe(Effect.provide(host), Effect.ensuring(Effect.sync(cleanUp))), 120_000)
})
