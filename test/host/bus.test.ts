import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { CHEESES } from "../src/faults/faultConfig.ts"
import { FaultHost } from "../src/faults/FaultHost.ts"
import { numberFrom, seeded } from "../src/faults/seeded.ts"

/** Another seed is another run. */
const SEED = numberFrom("PATELA_FAULT_SEED", 1)

/** The longest that a pass may take with a bus that does not answer, in milliseconds. */
const BOUND = 45_000

class Host extends Context.Service<Host, FaultHost>()("@patela/test/BusHost") {
  static readonly layer = Layer.effect(Host, FaultHost.make())
}

/** The process id of a unit, as the node itself numbers it. */
const mainPid = Effect.fnUntraced(function*(unit: string) {
  const { node } = yield* Host
  const pid = Number(yield* node.mission.node.execOk(["systemctl", "show", "--property=MainPID", "--value", unit]))
  assert.isAbove(pid, 1, unit)
  return pid
})

/** A pass with a stopped relay to start and something wrong with the bus ends in time and says what; then all is well. */
const passWhile = Effect.fnUntraced(function*<E, R, E2, R2>(
  about: string,
  spoil: Effect.Effect<unknown, E, R>,
  mend: Effect.Effect<unknown, E2, R2>,
  says: RegExp
) {
  const { config, foreign, node, settle, unharmed } = yield* Host
  const wanted = config({ relays: CHEESES })
  yield* settle(wanted, about)
  const before = yield* foreign
  yield* node.mission.node.execOk(["systemctl", "stop", "tor@toma"])
  yield* spoil
  const began = Date.now()
  const [answer] = yield* node.passes(wanted, 1).pipe(Effect.ensuring(Effect.orDie(mend)))
  assert.isBelow(Date.now() - began, BOUND, about)
  assert.notStrictEqual(answer?.verdict, "converged", about)
  assert.match(answer?.troubles.join("\n") ?? "", says, about)
  yield* settle(wanted, about)
  yield* unharmed(before, about)
  assert.strictEqual((yield* node.mission.node.exec(["systemctl", "is-active", "tor@toma"])).stdout.trim(), "active")
})

layer(Host.layer, { excludeTestServices: true, timeout: 180_000 })("the system bus", (it) => {
  it.effect("that is stopped", () =>
    Effect.gen(function*() {
      const { node } = (yield* Host).node.mission
      const units = ["dbus.service", "dbus.socket"]
      yield* passWhile(
        "stopped",
        node.execOk(["systemctl", "stop", ...units]),
        node.execOk(["systemctl", "start", "dbus.socket", "dbus.service"]),
        /D-Bus|bus/
      )
    }))

  it.effect("that hangs", () =>
    Effect.gen(function*() {
      const { node } = (yield* Host).node.mission
      const pid = String(yield* mainPid("dbus.service"))
      const signal = (name: string) => node.execOk(["sh", "-c", `kill -${name} ${pid}`])
      yield* passWhile("hanging", signal("STOP"), signal("CONT"), /did not answer in 10 s/)
    }))

  it.effect("is well, and systemd hangs", () =>
    Effect.gen(function*() {
      const { node } = (yield* Host).node.mission
      // A process cannot stop the first one of its own container, but this machine can: it is the test's own.
      const leader = yield* node.leader
      const signal = (name: NodeJS.Signals) => Effect.sync(() => process.kill(leader, name))
      yield* passWhile("systemd", signal("SIGSTOP"), signal("SIGCONT"), /systemd1 .*did not answer in 10 s/)
    }))

  it.effect("that is started anew at any moment of a pass", () =>
    Effect.gen(function*() {
      const { config, foreign, node, settle, unharmed } = yield* Host
      const { node: machine } = node.mission
      const below = seeded(SEED)
      const wanted = config({ relays: CHEESES })
      for (let round = 0; round < 6; round++) {
        const delay = below(1500)
        const about = `seed ${SEED}, round ${round}: after ${delay} ms`
        const before = yield* foreign
        const units = CHEESES.map((name) => `tor@${name}.service`)
        yield* machine.execOk(["systemctl", "stop", ...units])
        // systemd would refuse the sixth start in a short time, of a relay as of the bus.
        yield* machine.execOk(["systemctl", "reset-failed", ...units, "dbus.service"])
        const passing = yield* Effect.forkChild(node.passes(wanted, 1))
        yield* Effect.sleep(delay)
        yield* machine.execOk(["systemctl", "restart", "dbus.service"])
        const [answer] = yield* Fiber.join(passing)
        if (answer?.verdict !== "converged") {
          assert.match(answer?.troubles.join("\n") ?? "", /D-Bus|bus|connection to systemd/, about)
        }
        yield* settle(wanted, about)
        yield* unharmed(before, about)
      }
    }))
})
